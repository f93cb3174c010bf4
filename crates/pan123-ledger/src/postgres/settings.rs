//! Where the tables are: the server, the database and the schema.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tokio_postgres::Config;
use tokio_postgres::config::Host;

use super::PostgresError;
use super::tls::{self, Tls};

#[derive(Clone)]
pub(super) struct Settings {
    pub(super) config: Config,
    pub(super) place: Place,
    pub(super) tls: Tls,
    pub(super) timeout: Duration,
}

/// The server, the database and the schema, for messages.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) server: Arc<str>,
    pub(super) schema: String,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PostgreSQL at {}", self.server)
    }
}

impl Settings {
    pub(super) fn new(server: &str) -> Result<Settings, PostgresError> {
        // The text of the error may quote a part of the password.
        let mut config: Config = server.parse().map_err(|_| {
            PostgresError(
                "the connection string is not understood: it is postgres://USER@HOST:PORT/DATABASE, or host=… user=… dbname=…"
                    .to_owned(),
            )
        })?;
        if config.get_hosts().is_empty() && config.get_hostaddrs().is_empty() {
            return Err(PostgresError(
                "the connection string names no host".to_owned(),
            ));
        }
        if config.get_application_name().is_none() {
            config.application_name("pan123");
        }
        if config.get_connect_timeout().is_none() {
            config.connect_timeout(Duration::from_secs(5));
        }
        Ok(Settings {
            place: Place {
                server: shown(&config).into(),
                schema: "pan123".to_owned(),
            },
            config,
            tls: tls::of_public_authorities()?,
            timeout: Duration::from_secs(15),
        })
    }
}

/// `host:port/database`, without anything secret.
fn shown(config: &Config) -> String {
    let ports = config.get_ports();
    let port = |index: usize| ports.get(index).or(ports.first()).copied().unwrap_or(5432);
    let hosts = config.get_hosts().iter().map(|host| match host {
        Host::Tcp(host) => host.clone(),
        #[cfg(unix)]
        Host::Unix(path) => path.display().to_string(),
    });
    let mut hosts: Vec<_> = hosts.collect();
    if hosts.is_empty() {
        hosts = config
            .get_hostaddrs()
            .iter()
            .map(ToString::to_string)
            .collect();
    }
    let hosts = hosts.iter().enumerate();
    let hosts: Vec<_> = hosts
        .map(|(index, host)| format!("{host}:{}", port(index)))
        .collect();
    let database = config
        .get_dbname()
        .or(config.get_user())
        .unwrap_or_default();
    format!("{}/{database}", hosts.join(","))
}

/// Checks the name of a schema, which goes into statements.
pub(super) fn check_schema(name: &str) -> Result<(), PostgresError> {
    let fits = |(index, byte): (usize, u8)| match byte {
        b'a'..=b'z' | b'_' => true,
        b'0'..=b'9' => index > 0,
        _ => false,
    };
    let is_name = (1..=63).contains(&name.len()) && name.bytes().enumerate().all(fits);
    if is_name && !name.starts_with("pg_") {
        return Ok(());
    }
    Err(PostgresError(format!(
        "{name:?} is not the name of a schema: it has 1 to 63 lower-case letters, digits and underscores, begins with no digit and not with pg_"
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn place_shows_no_password() {
        for (server, expected) in [
            (
                "postgres://me:secret@db.example.com/jobs",
                "db.example.com:5432/jobs",
            ),
            ("postgres://me:sec?ret=secret@db", "db:5432/me"),
            ("postgresql://me:secret@[::1]:6000", "::1:6000/me"),
            (
                "host=a,b port=1,2 user=me password='secret' dbname=jobs",
                "a:1,b:2/jobs",
            ),
        ] {
            let settings = Settings::new(server).unwrap();
            assert_eq!(&*settings.place.server, expected);
        }
        for server in ["secret", "port=secret", "user=me"] {
            let Err(fault) = Settings::new(server) else {
                panic!("{server:?} is understood");
            };
            let fault = fault.to_string();
            assert!(!fault.contains("secret"), "{fault}");
        }
    }

    #[test]
    fn schema_has_a_plain_name() {
        for (name, is_allowed) in [
            ("pan123", true),
            ("_a9", true),
            ("", false),
            ("9a", false),
            ("A", false),
            ("a-b", false),
            ("a\"; DROP TABLE x; --", false),
            ("pg_temp", false),
        ] {
            assert_eq!(check_schema(name).is_ok(), is_allowed, "{name}");
        }
        assert!(check_schema(&"a".repeat(64)).is_err());
    }
}
