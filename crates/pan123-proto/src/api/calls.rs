//! The calls of single endpoints that both adapters have as methods: one list for both.

/// Hands the calls on files and folders to a macro of an adapter, after the name of the type that gets them.
#[doc(hidden)]
#[macro_export]
macro_rules! for_each_call_on_files {
    ($define:ident, $holder:ident) => {
        $define! { $holder
            /// One file or folder.
            detail(entry: $crate::EntryId) -> $crate::file::Entry =
                Ok($crate::file::GetDetail::new(entry));
            /// Many files and folders, 1 to 100.
            infos(entries: &[$crate::EntryId]) -> $crate::file::FileInfos =
                $crate::file::GetInfos::new(entries.iter().copied());
            /// A URL that a file can be fetched from for a while, without a token.
            download_url(file: $crate::FileId) -> $crate::file::DownloadUrl =
                Ok($crate::file::GetDownloadUrl::new(file));
            /// Makes a folder. A name that is taken is refused.
            make_dir(parent: $crate::Parent, name: &str) -> $crate::file::MadeDir =
                $crate::file::MakeDir::new(parent, name);
            /// Moves files and folders, 1 to 100, into the trash.
            trash(entries: &[$crate::EntryId]) -> $crate::file::Done =
                $crate::file::TrashFiles::new(entries.iter().copied());
            /// Deletes files and folders, 1 to 100, for good. They must be in the trash.
            delete(entries: &[$crate::EntryId]) -> $crate::file::Done =
                $crate::file::DeleteFiles::new(entries.iter().copied());
            /// Brings files and folders, 1 to 100, back from the trash to where they were.
            recover(entries: &[$crate::EntryId]) -> $crate::file::RecoveredFiles =
                $crate::file::RecoverFiles::new(entries.iter().copied());
            /// Brings files and folders, 1 to 100, back from the trash into a folder.
            recover_to(entries: &[$crate::EntryId], parent: $crate::Parent) -> $crate::file::Done =
                $crate::file::RecoverFilesTo::new(entries.iter().copied(), parent);
            /// Gives a file or folder another name.
            rename(entry: $crate::EntryId, name: &str) -> $crate::file::Done =
                $crate::file::RenameFile::new(entry, name);
            /// Gives files and folders, 1 to 30, other names.
            rename_many(names: &[($crate::EntryId, &str)]) -> $crate::file::RenamedFiles =
                $crate::file::RenameFiles::new(names.iter().copied());
            /// Moves files and folders, 1 to 100, into a folder.
            move_to(entries: &[$crate::EntryId], parent: $crate::Parent) -> $crate::file::Done =
                $crate::file::MoveFiles::new(entries.iter().copied(), parent);
            /// Copies a file into a folder. Never sent twice: [`Error::Ambiguous`] means that the copy may exist.
            copy(file: $crate::FileId, parent: $crate::Parent) -> $crate::file::CopiedFile =
                Ok($crate::file::CopyFile::new(file, parent));
            /// Begins to copy files and folders, 1 to 3000, into a folder. Never sent twice: [`Error::Ambiguous`] means that the
            /// copy may have begun.
            copy_many(entries: &[$crate::EntryId], parent: $crate::Parent) -> $crate::file::StartedCopy =
                $crate::file::CopyFiles::new(entries.iter().copied(), parent);
            /// What a copy of many does.
            copy_progress(task: $crate::CopyTaskId) -> $crate::file::CopyProgress =
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
            download(download: &$crate::image_bed::ImageBedDownload) -> $crate::image_bed::CreatedImageBedDownload =
                Ok(download.clone());
            /// How far a task is.
            progress(task: $crate::ImageBedTaskId) -> $crate::offline::Progress =
                Ok($crate::image_bed::ImageBedProgress::new(task));
        }
    };
}
