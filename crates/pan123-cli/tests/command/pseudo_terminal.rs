//! A pseudo-terminal with a command on it.

use std::fs::File;
use std::io::{Read, Write};
use std::process::{Child, Command};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::Instant;

use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{LocalModes, Winsize, tcgetattr, tcsetwinsize};

use crate::support::{LIMIT, User};

pub(crate) const COLUMNS: u16 = 80;

/// A pseudo-terminal with a command on it, which is killed when it is dropped.
pub(crate) struct Terminal {
    pub(crate) child: Child,
    keyboard: File,
    parts: Receiver<Vec<u8>>,
    written: Vec<u8>,
}

impl Terminal {
    pub(crate) fn start(user: &User, arguments: &[&str]) -> Terminal {
        Terminal::of(user.command(arguments), None)
    }

    /// Starts a command whose standard output goes to a file.
    pub(crate) fn start_with_output(user: &User, arguments: &[&str], stdout: File) -> Terminal {
        Terminal::of(user.command(arguments), Some(stdout))
    }

    /// Starts the command as the only one of its session, so that it finds the terminal as `/dev/tty`.
    pub(crate) fn start_session(user: &User, arguments: &[&str]) -> Terminal {
        let command = user.command(arguments);
        let mut session = Command::new("setsid");
        session
            .args(["--ctty", "--wait"])
            .arg(command.get_program())
            .args(command.get_args())
            .env_clear()
            .envs(
                command
                    .get_envs()
                    .filter_map(|(name, value)| Some((name, value?))),
            );
        if let Some(folder) = command.get_current_dir() {
            session.current_dir(folder);
        }
        Terminal::of(session, None)
    }

    fn of(mut command: Command, stdout: Option<File>) -> Terminal {
        let controller = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).expect("a terminal");
        grantpt(&controller).expect("a grant");
        unlockpt(&controller).expect("a terminal");
        let size = Winsize {
            ws_row: 24,
            ws_col: COLUMNS,
            ws_xpixel: 0,
            ws_ypixel: 0,
        };
        let name = ptsname(&controller, Vec::new()).expect("a name");
        let name = name.into_string().expect("a name");
        let open = || {
            let opened = File::options().read(true).write(true).open(&name);
            opened.expect("a terminal")
        };
        tcsetwinsize(open(), size).expect("a size");
        let child = command
            .env("TERM", "xterm")
            .stdin(open())
            .stdout(stdout.unwrap_or_else(open))
            .stderr(open())
            .spawn()
            .expect("the command starts");
        // The command holds the terminal open, too.
        drop(command);
        let keyboard = File::from(controller);
        let screen = keyboard.try_clone().expect("a screen");
        Terminal {
            child,
            keyboard,
            parts: read_parts(screen),
            written: Vec::new(),
        }
    }

    /// Types a text.
    pub(crate) fn type_in(&mut self, text: &str) {
        self.keyboard
            .write_all(text.as_bytes())
            .expect("a keyboard");
    }

    /// Waits until the terminal does not echo what is typed: that may be a moment after the prompt.
    pub(crate) fn wait_for_silence(&self) {
        let until = Instant::now() + LIMIT;
        let echoes = || {
            let modes = tcgetattr(&self.keyboard).expect("modes").local_modes;
            modes.contains(LocalModes::ECHO)
        };
        while echoes() {
            assert!(
                Instant::now() < until,
                "it echoes after {:?}",
                self.written()
            );
            thread::yield_now();
        }
    }

    /// Waits until this text was written.
    pub(crate) fn wait_for(&mut self, text: &str) {
        let until = Instant::now() + LIMIT;
        while !self.written().contains(text) {
            assert!(self.read(until), "no {text:?} in {:?}", self.written());
        }
    }

    /// Returns the exit code and all that was written.
    pub(crate) fn end(mut self) -> (Option<i32>, String) {
        let until = Instant::now() + LIMIT;
        while self.read(until) {}
        let code = self.child.wait().expect("an end").code();
        (code, self.written())
    }

    /// Waits for another part of what is written. Returns whether there was one.
    fn read(&mut self, until: Instant) -> bool {
        let left = until.saturating_duration_since(Instant::now());
        match self.parts.recv_timeout(left) {
            Ok(part) => {
                self.written.extend(part);
                true
            }
            Err(RecvTimeoutError::Disconnected) => false,
            Err(RecvTimeoutError::Timeout) => panic!("nothing came after {:?}", self.written()),
        }
    }

    fn written(&self) -> String {
        String::from_utf8_lossy(&self.written).into_owned()
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn read_parts(mut screen: File) -> Receiver<Vec<u8>> {
    let (send, parts) = channel();
    thread::spawn(move || {
        let mut part = [0; 4096];
        // Once nobody has the terminal open, reading fails.
        while let Ok(read @ 1..) = screen.read(&mut part) {
            if send.send(part[..read].to_vec()).is_err() {
                return;
            }
        }
    });
    parts
}
