//! The mock as a library: the model without a socket, and its servers.

mod callbacks;
mod copies;
mod drive;
mod edits;
mod effects;
mod faults;
mod file_shapes;
mod image_bed;
mod list_ends;
mod lists;
mod oauth;
mod old_list;
mod presets;
mod responses;
mod server;
mod shapes;
mod tasks;
mod tokens;
mod trash;
mod wire;
mod world;
