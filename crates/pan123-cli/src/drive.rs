//! The files and folders that a command names.

use pan123_async::proto::EntryId;
use pan123_async::proto::file::FileInfos;
use pan123_async::{Client, Entry, Error, Files, Parent};

use crate::app::App;
use crate::failure::{Exit, Failure};
use crate::place::Place;
use crate::words::Lang;

/// The most that the service accepts in one request.
pub(crate) const MAX_ENTRIES: usize = 100;

/// The drive of the account.
#[derive(Debug)]
pub(crate) struct Drive {
    pub(crate) client: Client,
    pub(crate) files: Files,
    lang: Lang,
}

/// What stands at a place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Found {
    Root,
    Entry(Box<Entry>),
}

impl Found {
    /// Returns the folder; `None` if it is not one.
    pub(crate) fn folder(&self) -> Option<Parent> {
        match self {
            Found::Root => Some(Parent::Root),
            Found::Entry(entry) => entry.dir().map(Parent::Dir),
        }
    }
}

impl Drive {
    pub(crate) fn of(app: &App) -> Result<Drive, Failure> {
        let client = app.client()?;
        Ok(Drive {
            files: client.files(),
            client,
            lang: app.out.lang,
        })
    }

    /// Looks what stands at a place. What is in the trash stands at no path, but keeps its id.
    pub(crate) async fn find(&self, place: &Place) -> Result<Option<Found>, Failure> {
        if place.is_root() {
            return Ok(Some(Found::Root));
        }
        let entry = match place {
            Place::Path(path) => self.files.find(path).await?,
            Place::Id(id) => {
                let id = EntryId::new(*id)?;
                pick(&self.infos(&[id]).await?, id)?
            }
        };
        Ok(entry.map(|entry| Found::Entry(Box::new(entry))))
    }

    /// Reads up to 100 entries; those that do not exist are left out.
    pub(crate) async fn infos(&self, ids: &[EntryId]) -> Result<FileInfos, Failure> {
        Ok(self.files.infos(ids).await?)
    }

    /// Returns what stands at a place.
    pub(crate) async fn get(&self, place: &Place) -> Result<Found, Failure> {
        let found = self.find(place).await?;
        found.ok_or_else(|| self.missing(place))
    }

    /// Returns the folder at a place.
    pub(crate) async fn folder(&self, place: &Place) -> Result<Parent, Failure> {
        let found = self.get(place).await?;
        self.check_not_trashed(&found, place)?;
        found.folder().ok_or_else(|| {
            Failure::new(
                Exit::Failed,
                self.lang.pick(
                    format!("{place} is not a folder"),
                    format!("{place} 不是文件夹"),
                ),
            )
        })
    }

    /// Returns the entries at these places, each of them or the reason why there is none. Ids are looked up many at a time.
    pub(crate) async fn entries(&self, places: &[Place]) -> Vec<Result<Entry, Failure>> {
        let mut found = Vec::with_capacity(places.len());
        for group in places.chunk_by(|one, other| is_id(one) && is_id(other)) {
            for part in group.chunks(MAX_ENTRIES) {
                found.extend(self.look_up(part).await);
            }
        }
        found
    }

    /// Looks up either one path or up to 100 ids.
    async fn look_up(&self, places: &[Place]) -> Vec<Result<Entry, Failure>> {
        if let [place] = places {
            let found = self.get(place).await;
            return vec![found.and_then(|found| self.entry_of(found, place))];
        }
        let ids = places.iter().filter_map(Place::entry_id);
        let ids: Vec<EntryId> = ids.collect();
        let infos = match self.infos(&ids).await {
            Ok(infos) => infos,
            Err(failure) => return places.iter().map(|_| Err(failure.clone())).collect(),
        };
        let found = places.iter().map(|place| {
            let Some(id) = place.entry_id() else {
                return Err(self.not_an_entry());
            };
            let entry = pick(&infos, id)?.ok_or_else(|| self.missing(place))?;
            self.entry_of(Found::Entry(Box::new(entry)), place)
        });
        found.collect()
    }

    /// The entry that was found; the root is not one.
    fn entry_of(&self, found: Found, place: &Place) -> Result<Entry, Failure> {
        self.check_not_trashed(&found, place)?;
        match found {
            Found::Entry(entry) => Ok(*entry),
            Found::Root => Err(self.not_an_entry()),
        }
    }

    /// The failure for the root, where it is not allowed.
    pub(crate) fn not_an_entry(&self) -> Failure {
        Failure::usage(self.lang.pick(
            "`/` is the root of the drive: name a file or folder in it",
            "`/` 是网盘的根目录：请指定其中的文件或文件夹",
        ))
    }

    fn check_not_trashed(&self, found: &Found, place: &Place) -> Result<(), Failure> {
        match found {
            Found::Entry(entry) if entry.trashed => Err(Failure::new(
                Exit::Failed,
                self.lang.pick(
                    format!(
                        "{place} is in the trash: `pan123 trash restore id:{}` restores it",
                        entry.id
                    ),
                    format!(
                        "{place} 在回收站中：可用 `pan123 trash restore id:{}` 恢复",
                        entry.id
                    ),
                ),
            )),
            _ => Ok(()),
        }
    }

    fn missing(&self, place: &Place) -> Failure {
        Failure::new(
            Exit::Failed,
            self.lang.pick(
                format!("there is no file or folder {place}"),
                format!("没有文件或文件夹 {place}"),
            ),
        )
    }
}

/// Picks an entry. It is not known to be missing while a row that cannot be read may be it.
fn pick(infos: &FileInfos, id: EntryId) -> Result<Option<Entry>, Failure> {
    let entry = infos.entries.iter().find(|entry| entry.id == id);
    let mut unreadable = infos.unreadable.iter();
    match unreadable.find(|row| row.id().is_none_or(|it| it == id)) {
        Some(row) if entry.is_none() => Err(Error::UnreadableRow(Box::new(row.clone())).into()),
        _ => Ok(entry.cloned()),
    }
}

fn is_id(place: &Place) -> bool {
    matches!(place, Place::Id(_))
}
