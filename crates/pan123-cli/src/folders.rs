//! Where the command keeps its files.

use std::env;
use std::fs::{self, DirBuilder};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use etcetera::BaseStrategy;
use tempfile::NamedTempFile;

use crate::failure::{Exit, Failure};
use crate::words::Lang;

/// Returns the folder of the credentials and the tokens: `PAN123_CONFIG_DIR`, or `pan123` in the platform's folder for configuration.
pub(crate) fn config() -> Result<PathBuf, Failure> {
    if let Some(folder) = set("PAN123_CONFIG_DIR") {
        return Ok(folder);
    }
    Ok(platform()?.config_dir().join("pan123"))
}

/// Returns the folder of the ledgers: `PAN123_STATE_DIR`, or `pan123` in the platform's folder for state.
pub(crate) fn state() -> Result<PathBuf, Failure> {
    if let Some(folder) = set("PAN123_STATE_DIR") {
        return Ok(folder);
    }
    let platform = platform()?;
    let base = platform.state_dir().unwrap_or_else(|| platform.data_dir());
    Ok(base.join("pan123"))
}

fn set(variable: &str) -> Option<PathBuf> {
    let value = env::var_os(variable).filter(|value| !value.is_empty());
    value.map(PathBuf::from)
}

fn platform() -> Result<impl BaseStrategy, Failure> {
    etcetera::choose_base_strategy().map_err(|_| {
        let message = Lang::of_environment().pick(
            "there is no home directory: set PAN123_CONFIG_DIR and PAN123_STATE_DIR to folders for the command's files",
            "没有主目录：请将 PAN123_CONFIG_DIR 和 PAN123_STATE_DIR 设为存放文件的文件夹",
        );
        Failure::new(Exit::Failed, message)
    })
}

/// Creates a folder that only its owner can enter. One that exists stays as it is.
pub(crate) fn create_private(folder: &Path) -> Result<(), Failure> {
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder
        .create(folder)
        .map_err(|error| failed("created", folder, &error))
}

/// Writes a file that only its owner can read, as a whole or not at all.
pub(crate) fn write_private(path: &Path, content: &[u8]) -> Result<(), Failure> {
    let folder = path.parent().unwrap_or(Path::new("."));
    create_private(folder)?;
    let write = || {
        // Of mode 0600.
        let mut file = NamedTempFile::new_in(folder)?;
        file.write_all(content)?;
        file.as_file().sync_all()?;
        file.persist(path).map_err(|error| error.error)
    };
    write()
        .map(|_| ())
        .map_err(|error| failed("written", path, &error))
}

/// Removes a file. Returns whether there was one.
pub(crate) fn remove(path: &Path) -> Result<bool, Failure> {
    match fs::remove_file(path) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(failed("removed", path, &error)),
    }
}

/// Says what could not be done with a file, such as `read`, and why.
pub(crate) fn failed(done: &str, path: &Path, error: &io::Error) -> Failure {
    let chinese = match done {
        "created" => "创建",
        "locked" => "锁定",
        "read" => "读取",
        "removed" => "删除",
        "written" => "写入",
        other => other,
    };
    let path = path.display();
    let message = Lang::of_environment().pick(
        format!("{path} cannot be {done}: {error}"),
        format!("无法{chinese} {path}：{error}"),
    );
    Failure::new(Exit::Failed, message)
}

/// Refuses a file with a secret that others can read or change.
#[cfg(unix)]
pub(crate) fn check_private(path: &Path, lang: Lang) -> Result<(), Failure> {
    use std::os::unix::fs::PermissionsExt;

    let metadata = fs::metadata(path).map_err(|error| failed("read", path, &error))?;
    let mode = metadata.permissions().mode() & 0o777;
    if mode.trailing_zeros() >= 6 {
        return Ok(());
    }
    let path = path.display();
    Err(Failure::credentials(lang.pick(
        format!(
            "{path} holds a secret, and others may read or change it (mode {mode:o}): run `chmod 600 {path}`"
        ),
        format!(
            "{path} 中有密钥，但其他用户可以读取或修改它（权限 {mode:o}）：请运行 `chmod 600 {path}`"
        ),
    )))
}

#[cfg(not(unix))]
pub(crate) fn check_private(_: &Path, _: Lang) -> Result<(), Failure> {
    Ok(())
}
