//! What the store promises, written once and tried on every engine: on SQLite, on PostgreSQL, and on PostgreSQL
//! as it is spoken to through a pooler.
//!
//! A behaviour is a function over an [`engine::Engine`]. Two stores that are open on one PostgreSQL database are
//! what two processes are: nothing but the database connects them.

/// Makes one test of each behaviour for each engine.
macro_rules! on_every_engine {
    ($($behaviour:ident),* $(,)?) => {
        mod sqlite {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $behaviour() {
                crate::engine::tried(crate::engine::Engine::sqlite(), super::$behaviour).await;
            })*
        }
        on_postgres!($($behaviour),*);
    };
}

/// The same for behaviours that only several processes show.
macro_rules! on_postgres {
    ($($behaviour:ident),* $(,)?) => {
        mod postgres {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $behaviour() {
                crate::engine::tried(crate::engine::Engine::postgres(), super::$behaviour).await;
            })*
        }
        mod pooled {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $behaviour() {
                crate::engine::tried(crate::engine::Engine::pooled(), super::$behaviour).await;
            })*
        }
    };
}

mod copies;
mod deliveries;
mod engine;
mod histories;
mod idempotency;
mod linear;
mod plans;
mod races;
mod reads;
mod schema;
mod search;
mod sequences;
mod survey;
mod toys;
mod units;
mod values;
mod work;
