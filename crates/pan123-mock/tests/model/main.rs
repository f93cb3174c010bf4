//! The model, without a socket and in made-up time.

mod answers;
mod callbacks;
mod shapes;
mod tasks;
mod tokens;
mod world;
