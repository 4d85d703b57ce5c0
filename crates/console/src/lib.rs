//! The pages of Investord, of the console for operators and for developers: plain structs in, HTML out.
//!
//! This crate knows no store, no session and no network. A page is a struct with a template; what it shows are answers of
//! the operator API ([`answers`]), so that permissions and masks are decided before anything comes here. Texts are in
//! `texts/`, one file for each language ([`text`]).

pub mod answers;
pub mod assets;
pub mod developer_docs;
pub mod frame;
pub mod pages;
pub mod text;
