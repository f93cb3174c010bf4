//! What stands at the end of each command's help: notes and examples.

use clap::{Command, CommandFactory};

use crate::args::Args;

/// Returns the command line with all its help.
pub(crate) fn command() -> Command {
    PAGES
        .iter()
        .fold(Args::command(), |command, (path, notes, examples)| {
            add(command, path, &text(notes, examples))
        })
}

fn add(command: Command, path: &[&str], text: &str) -> Command {
    match path {
        [] => command.after_help(text.to_owned()),
        [name, rest @ ..] => command.mut_subcommand(name, |command| add(command, rest, text)),
    }
}

fn text(notes: &[&str], examples: &[&str]) -> String {
    let notes = notes.iter().map(|note| format!("{note}\n\n"));
    let examples = examples.iter().map(|line| format!("\n  {line}"));
    format!(
        "{}Examples:{}",
        notes.collect::<String>(),
        examples.collect::<String>()
    )
}

const EXIT_CODES: &str = "\
Exit codes:
  0    all succeeded
  1    something failed
  2    the command line or its input is wrong; nothing was sent
  3    there are no credentials, or the service rejects them
  4    a download or a copy may have been created, and nothing tells whether it was
  5    the network or the service is down, or the service asks to wait
  6    timed out
  130  stopped by Ctrl-C

Of several, 3 counts before 4, 5, 6 and 1.";

const ENVIRONMENT: &str = "\
Environment:
  PAN123_CLIENT_ID, PAN123_CLIENT_SECRET  credentials, which count before those of a login
  PAN123_ACCESS_TOKEN                     an access token, which counts before all credentials
  PAN123_BASE_URL                         the base URL of the service, as --base-url
  PAN123_CONFIG_DIR                       the folder of the credentials and the token
  PAN123_STATE_DIR                        the folder of the ledgers, which keep the ids of downloads
  PAN123_LEDGER                           the ledger of download, batch and serve, as --ledger
  PGPASSWORD, PGPASSFILE                  the password of a ledger on PostgreSQL, or a file of passwords
  LC_ALL, LC_MESSAGES, LANG               messages in Chinese if the first that is set begins with zh
  NO_COLOR                                no colors";

/// How files and folders are named.
const PLACES: &str = "\
A file or folder is named by its path from the root of the drive, /videos/film.mp4, whose first
slash may be left out, or by its id, id:123. A number alone is an id: for a file of that name in
the root write /123. The root itself is /.";

/// What `download` does with what was ordered before.
const ONCE: &str = "\
A URL with its name and folder is ordered once: after a kill, a reboot or a lost connection, the
same command goes on where the first one stopped. What may have been sent is unconfirmed and is
never sent again by itself: `pan123 batch show` tells how to settle it. --again orders once more
what has ended. Without --wait the command ends when the tasks are created.

Other users of this machine see command lines: give a URL that holds a key to `pan123 batch -`.";

/// What lists may hold.
const LISTS: &str = "\
Lists are UTF-8 text. Each line is one of:
  URL                               http://, https://, or a thunder://, flashget:// or qqdl://
                                    link that holds such a URL
  URL<TAB>name<TAB>folder           name and folder may be left out
  URL<TAB>URL                       mirrors of one file, as aria2 has them; the first one counts
    out=name, or dir=folder         indented: for the URL above, as aria2 has them
  {\"url\": …, \"name\": …, \"to\": …, \"key\": …}
  # comment, or nothing

A ledger keeps what was sent and what came of it, so each line is downloaded once, whatever happens
to the command; run it again to go on, also with a list that has grown. Each list has a ledger of
its own, whose name is printed; lists from standard input share the ledger stdin, and
`pan123 download` has the ledger downloads.";

/// A ledger that machines share.
const SERVERS: &str = "\
Several machines share a ledger on PostgreSQL 12 or later: --ledger postgres://USER@HOST:PORT/DATABASE,
or PAN123_LEDGER. They share one token and one pace, and each download is sent by one of them; what one
that is killed has left is taken over within 30 s. The tables are made at the first start, in the schema
pan123. Add ?sslmode=require to insist on TLS.

The password is never part of the command line. It is looked for in --ledger-password-file, PAN123_LEDGER,
PGPASSWORD, PGPASSFILE and ~/.pgpass, and others must not be able to read these files. Host, port, user and
database come from the URL alone; without a user, it is that of this system.

With PAN123_LEDGER all commands share that token and pace, also ls and login: set it before `pan123 login
--oauth`, whose token belongs on the server then. --ledger alone is for developers' credentials.

Ids of tasks that the server does not take are kept in the folder of --spill until it does. In a container,
put that folder on a volume.";

/// When a server has to be confirmed.
const CONFIRM: &str = "\
A standby that took over, or a restored backup, may lack the last downloads that were sent, so that they
would be sent again. Nothing is sent after such a change until you confirm the server: compare `pan123 batch
show` with the drive's files before. With synchronous replication nothing is lacking.";

/// What is not documented about the trash.
const TRASH: &str = "\
Without a folder it is the trash as the service lists it. The service does not document whether
that includes what was in folders below the root: name a folder to be sure of its part.";

/// A command, the notes of its help, and its examples.
type Page = (
    &'static [&'static str],
    &'static [&'static str],
    &'static [&'static str],
);

const PAGES: &[Page] = &[
    (
        &[],
        &[EXIT_CODES, ENVIRONMENT],
        &[
            "pan123 demo",
            "pan123 login",
            "pan123 download https://example.com/film.mp4 --to /videos --wait",
            "pan123 batch list.txt",
            "pan123 ls -l /videos",
        ],
    ),
    (
        &["login"],
        &[],
        &[
            "pan123 login",
            "pan123 login --file credentials.json",
            "pass show pan123 | pan123 login --stdin",
            "pan123 login --oauth --file app.json",
        ],
    ),
    (&["logout"], &[], &["pan123 logout"]),
    (&["whoami"], &[], &["pan123 whoami", "pan123 whoami --json"]),
    (
        &["download"],
        &[ONCE],
        &[
            "pan123 download https://example.com/film.mp4",
            "pan123 download https://example.com/film.mp4 --to /videos --name movie.mp4 --wait",
            "pan123 download --json https://example.com/a.zip https://example.com/b.zip",
        ],
    ),
    (
        &["status"],
        &[],
        &["pan123 status 123456", "pan123 status 123456 123457 --json"],
    ),
    (
        &["wait"],
        &[],
        &[
            "pan123 wait 123456",
            "pan123 wait --timeout 2h 123456 123457",
        ],
    ),
    (
        &["batch"],
        &[LISTS, SERVERS],
        &[
            "pan123 batch list.txt --to /videos",
            "grep mp4 urls.txt | pan123 batch -",
            "pan123 batch --ledger films list.jsonl --skip-bad",
            "pan123 batch --ledger postgres://pan123@db.example.org/jobs list.txt",
        ],
    ),
    (
        &["batch", "show"],
        &[],
        &["pan123 batch show", "pan123 batch show films --json"],
    ),
    (
        &["batch", "resume"],
        &[],
        &[
            "pan123 batch resume",
            "pan123 batch resume films --retry-failed",
        ],
    ),
    (
        &["batch", "settle"],
        &[],
        &[
            "pan123 batch settle films KEY --found /videos/film.mp4",
            "pan123 batch settle films KEY --was 123456",
            "pan123 batch settle films KEY --send-again",
        ],
    ),
    (
        &["batch", "export"],
        &[],
        &["pan123 batch export films films.jsonl"],
    ),
    (
        &["batch", "import"],
        &[],
        &["pan123 batch import films films.jsonl"],
    ),
    (
        &["batch", "confirm-server"],
        &[CONFIRM],
        &["pan123 batch confirm-server postgres://pan123@db.example.org/jobs"],
    ),
    (
        &["ls"],
        &[PLACES],
        &[
            "pan123 ls",
            "pan123 ls -l /videos",
            "pan123 ls id:123 --json",
        ],
    ),
    (
        &["info"],
        &[PLACES],
        &[
            "pan123 info /videos/film.mp4",
            "pan123 info id:123 id:456 --json",
        ],
    ),
    (
        &["mkdir"],
        &[],
        &["pan123 mkdir /videos", "pan123 mkdir -p /videos/2026/11"],
    ),
    (
        &["mv"],
        &[PLACES],
        &[
            "pan123 mv /film.mp4 /videos",
            "pan123 mv /videos/film.mp4 /videos/movie.mp4",
            "pan123 mv id:123 id:456 /archive/",
        ],
    ),
    (
        &["cp"],
        &[PLACES],
        &[
            "pan123 cp /film.mp4 /videos",
            "pan123 cp /film.mp4 /videos/copy.mp4",
            "pan123 cp /music id:123 /archive",
        ],
    ),
    (
        &["rm"],
        &[PLACES],
        &[
            "pan123 rm /videos/film.mp4",
            "pan123 rm --yes id:123 id:456",
        ],
    ),
    (
        &["trash", "ls"],
        &[TRASH, PLACES],
        &["pan123 trash ls -l", "pan123 trash ls /videos"],
    ),
    (
        &["trash", "restore"],
        &[PLACES],
        &[
            "pan123 trash restore /videos/film.mp4",
            "pan123 trash restore id:123 --to /restored",
        ],
    ),
    (
        &["trash", "empty"],
        &[TRASH, PLACES],
        &["pan123 trash empty", "pan123 trash empty --yes /videos"],
    ),
    (
        &["link"],
        &[PLACES],
        &[
            "pan123 link /videos/film.mp4",
            "curl -LO \"$(pan123 link id:123)\"",
        ],
    ),
    (
        &["serve"],
        &[SERVERS],
        &[
            "pan123 serve",
            "pan123 serve --dir /downloads --ui AriaNg",
            "pan123 serve --public-url https://nas.example.org",
            "pan123 serve --ledger postgres://pan123@db.example.org/jobs --spill /var/lib/pan123/spill",
        ],
    ),
    (&["demo"], &[], &["pan123 demo"]),
    (
        &["completions"],
        &[],
        &[
            "pan123 completions bash > ~/.local/share/bash-completion/completions/pan123",
            "pan123 completions zsh > ~/.zfunc/_pan123",
            "pan123 completions fish > ~/.config/fish/completions/pan123.fish",
            "pan123 completions powershell >> $PROFILE",
        ],
    ),
    (
        &["man"],
        &[],
        &[
            "pan123 man | man -l -",
            "pan123 man --dir ~/.local/share/man/man1",
        ],
    ),
];

#[cfg(test)]
mod tests {
    use super::*;

    /// Fails for each command without subcommands and without examples; the mock's help is its own.
    fn check(command: &Command) {
        let subcommands: Vec<_> = command.get_subcommands().collect();
        let help = command.get_after_help().map(ToString::to_string);
        let has_examples = help.is_some_and(|text| text.contains("Examples:\n"));
        let is_mock = command.get_name() == "mock";
        assert!(
            has_examples || is_mock || !subcommands.is_empty(),
            "{}",
            command.get_name()
        );
        subcommands.into_iter().for_each(check);
    }

    #[test]
    fn each_command_has_examples() {
        let command = command();
        command.clone().debug_assert();
        check(&command);
    }

    #[test]
    fn examples_are_commands() {
        for (_, _, examples) in PAGES {
            for line in *examples {
                let (_, line) = line.rsplit_once("pan123 ").unwrap();
                let words = line
                    .split(['>', '|', ')'])
                    .next()
                    .unwrap()
                    .split_whitespace();
                let words = std::iter::once("pan123").chain(words);
                command().try_get_matches_from(words).unwrap();
            }
        }
    }
}
