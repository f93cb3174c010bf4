//! Where `mv` and `cp` put things.

use pan123_async::{Entry, Parent};

use crate::app::App;
use crate::drive::Drive;
use crate::failure::{Exit, Failure};
use crate::place::Place;

/// Where things are put.
#[derive(Debug)]
pub(super) enum Destination {
    /// Into a folder, under their own names.
    Into(Parent),
    /// Into a folder, under a new name.
    As(Parent, String),
}

/// Finds where things are put, and the things; those that are not found are told.
pub(super) async fn look_up(
    app: &App,
    drive: &Drive,
    sources: &[Place],
    destination: &Place,
) -> Result<(Destination, Vec<Entry>, Exit), Failure> {
    let look_up = async {
        let to = Destination::find(app, drive, destination, sources.len()).await?;
        Ok((to, drive.entries(sources).await))
    };
    let (to, found) = app.until_stopped(look_up).await?;
    let (entries, exit) = app.out.successes(found);
    Ok((to, entries, exit))
}

impl Destination {
    /// Reads a destination as a shell does: a folder that exists takes everything; a path where nothing is yet is the new name of a single
    /// thing.
    async fn find(
        app: &App,
        drive: &Drive,
        place: &Place,
        sources: usize,
    ) -> Result<Destination, Failure> {
        let lang = app.out.lang;
        if let Some(found) = drive.find(place).await? {
            return match found.folder() {
                Some(_) => drive.folder(place).await.map(Destination::Into),
                None => Err(Failure::new(
                    Exit::Failed,
                    lang.pick(
                        format!("{place} exists and is not a folder: nothing is overwritten; choose another name, or remove it first"),
                        format!("{place} 已存在且不是文件夹：不会覆盖；请换一个名称，或先删除它"),
                    ),
                )),
            };
        }
        match place.split() {
            Some((folder, name)) if sources == 1 && !place.is_marked_as_folder() => {
                let parent = drive.folder(&folder).await?;
                Ok(Destination::As(parent, name.to_owned()))
            }
            _ => Err(Failure::new(
                Exit::Failed,
                lang.pick(
                    format!("there is no folder {place}: `pan123 mkdir -p` creates it"),
                    format!("没有文件夹 {place}：可用 `pan123 mkdir -p` 创建"),
                ),
            )),
        }
    }
}
