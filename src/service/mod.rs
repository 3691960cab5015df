//! The service: what came in, what is due, and who works on it.

pub mod body;
pub mod listen;
pub mod stop;
pub mod supervisor;
pub mod workshop;
