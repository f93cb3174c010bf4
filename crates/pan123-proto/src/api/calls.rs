//! The calls of single endpoints that both adapters have as methods: one list for both.

/// Hands the calls on files and folders to a macro of an adapter, after the name of the type that gets them. In brackets stand
/// the type parameters of a call, with their bounds and without.
#[doc(hidden)]
#[macro_export]
macro_rules! for_each_call_on_files {
    ($define:ident, $holder:ident) => {
        $define! { $holder
            /// One file or folder.
            detail[E: Into<$crate::EntryId>][E](entry: E) -> $crate::file::Entry =
                Ok($crate::file::GetDetail::new(entry));
            /// Many files and folders, 1 to 100.
            infos[E: Into<$crate::EntryId> + Copy][E](entries: &[E]) -> $crate::file::FileInfos =
                $crate::file::GetInfos::new(entries.iter().copied());
            /// A URL that a file can be fetched from for a while, without a token.
            download_url[][](file: $crate::FileId) -> $crate::file::DownloadUrl =
                Ok($crate::file::GetDownloadUrl::new(file));
            /// Makes a folder. A name that is taken is refused, by an earlier attempt of this call too if its answer was lost:
            /// see [`ApiError::follows_lost_answer`](crate::ApiError::follows_lost_answer).
            create_dir[P: Into<$crate::Parent>][P](parent: P, name: &str) -> $crate::file::CreatedDir =
                $crate::file::CreateDir::new(parent, name);
            /// Moves files and folders, 1 to 100, into the trash.
            trash[E: Into<$crate::EntryId> + Copy][E](entries: &[E]) -> $crate::file::Done =
                $crate::file::TrashFiles::new(entries.iter().copied());
            /// Deletes files and folders, 1 to 100, for good. They must be in the trash, where they are no more if the answer to an
            /// earlier attempt was lost: see [`ApiError::follows_lost_answer`](crate::ApiError::follows_lost_answer).
            delete[E: Into<$crate::EntryId> + Copy][E](entries: &[E]) -> $crate::file::Done =
                $crate::file::DeleteFiles::new(entries.iter().copied());
            /// Brings files and folders, 1 to 100, back from the trash to where they were.
            recover[E: Into<$crate::EntryId> + Copy][E](entries: &[E]) -> $crate::file::RecoveredFiles =
                $crate::file::RecoverFiles::new(entries.iter().copied());
            /// Brings files and folders, 1 to 100, back from the trash into a folder. They must be in the trash, where they are no
            /// more if the answer to an earlier attempt was lost: see
            /// [`ApiError::follows_lost_answer`](crate::ApiError::follows_lost_answer).
            recover_to[E: Into<$crate::EntryId> + Copy, P: Into<$crate::Parent>][E, P](entries: &[E], parent: P)
                -> $crate::file::Done = $crate::file::RecoverFilesTo::new(entries.iter().copied(), parent);
            /// Gives a file or folder another name.
            rename[E: Into<$crate::EntryId>][E](entry: E, name: &str) -> $crate::file::Done =
                $crate::file::RenameFile::new(entry, name);
            /// Gives files and folders, 1 to 30, other names.
            rename_many[E: Into<$crate::EntryId> + Copy, N: AsRef<str>][E, N](names: &[(E, N)]) -> $crate::file::RenamedFiles =
                $crate::file::RenameFiles::new(names.iter().map(|(entry, name)| (*entry, name)));
            /// Moves files and folders, 1 to 100, into a folder. The service may refuse what is there already, as after an attempt
            /// whose answer was lost: see [`ApiError::follows_lost_answer`](crate::ApiError::follows_lost_answer).
            move_to[E: Into<$crate::EntryId> + Copy, P: Into<$crate::Parent>][E, P](entries: &[E], parent: P)
                -> $crate::file::Done = $crate::file::MoveFiles::new(entries.iter().copied(), parent);
            /// Copies a file into a folder. Never sent twice: [`Error::Ambiguous`] means that the copy may exist.
            copy[P: Into<$crate::Parent>][P](file: $crate::FileId, parent: P) -> $crate::file::CopiedFile =
                Ok($crate::file::CopyFile::new(file, parent));
            /// Begins to copy files and folders, 1 to 3000, into a folder. Never sent twice: [`Error::Ambiguous`] means that the
            /// copy may have begun.
            copy_many[E: Into<$crate::EntryId> + Copy, P: Into<$crate::Parent>][E, P](entries: &[E], parent: P)
                -> $crate::file::StartedCopy = $crate::file::CopyFiles::new(entries.iter().copied(), parent);
            /// What a copy of many does.
            copy_progress[][](task: $crate::CopyTaskId) -> $crate::file::CopyProgress =
                Ok($crate::file::GetCopyProgress::new(task));
        }
    };
}

/// The same of the image bed.
#[doc(hidden)]
#[macro_export]
macro_rules! for_each_call_on_the_image_bed {
    ($define:ident, $holder:ident) => {
        $define! { $holder
            /// Creates an offline download of a picture and gives its task. Never sent twice: [`Error::Ambiguous`] means that the
            /// task may exist.
            download[][](download: &$crate::image_bed::ImageBedDownload) -> $crate::image_bed::CreatedImageBedDownload =
                Ok(download.clone());
            /// How far a task is.
            progress[][](task: $crate::ImageBedTaskId) -> $crate::offline::Progress =
                Ok($crate::image_bed::GetImageBedProgress::new(task));
        }
    };
}
