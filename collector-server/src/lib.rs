pub mod assess;
pub mod catalogue;
pub mod judge;
mod place;
pub mod status;
