//! OpenAPI
use axum::response::IntoResponse;
pub async fn serve() -> impl IntoResponse {
    "{}"
}
pub fn document() -> String {
    "{}".into()
}
