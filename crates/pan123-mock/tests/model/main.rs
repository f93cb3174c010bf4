//! The model, without a socket and in made-up time.

mod answers;
mod callbacks;
mod changes;
mod copies;
mod drive;
mod faults;
mod file_shapes;
mod image_bed;
mod list_ends;
mod lists;
mod oauth;
mod old_list;
mod scenes;
mod shapes;
mod tasks;
mod tokens;
mod trash;
mod world;
