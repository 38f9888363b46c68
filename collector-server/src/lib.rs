pub mod authority;
pub mod span;
pub mod store;
