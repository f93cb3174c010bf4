//! The names of methods and notifications.

use serde_json::{Value, json};

use super::gid::Gid;

/// aria2's methods, and after them those that only this service has.
pub(in crate::serve) const METHODS: &[&str] = &[
    "aria2.addUri",
    "aria2.addTorrent",
    "aria2.getPeers",
    "aria2.addMetalink",
    "aria2.remove",
    "aria2.pause",
    "aria2.forcePause",
    "aria2.pauseAll",
    "aria2.forcePauseAll",
    "aria2.unpause",
    "aria2.unpauseAll",
    "aria2.forceRemove",
    "aria2.changePosition",
    "aria2.tellStatus",
    "aria2.getUris",
    "aria2.getFiles",
    "aria2.getServers",
    "aria2.tellActive",
    "aria2.tellWaiting",
    "aria2.tellStopped",
    "aria2.getOption",
    "aria2.changeUri",
    "aria2.changeOption",
    "aria2.getGlobalOption",
    "aria2.changeGlobalOption",
    "aria2.purgeDownloadResult",
    "aria2.removeDownloadResult",
    "aria2.getVersion",
    "aria2.getSessionInfo",
    "aria2.shutdown",
    "aria2.forceShutdown",
    "aria2.getGlobalStat",
    "aria2.saveSession",
    "system.multicall",
    "system.listMethods",
    "system.listNotifications",
    "pan123.getCounts",
    "pan123.listFolders",
    "pan123.tellUnconfirmed",
    "pan123.settle",
];

/// What sockets are told of a download.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::serve) enum Notification {
    Start,
    Pause,
    Stop,
    Complete,
    Error,
}

/// The notifications that sockets get.
pub(in crate::serve) const NOTIFICATIONS: [&str; 5] = [
    "aria2.onDownloadStart",
    "aria2.onDownloadPause",
    "aria2.onDownloadStop",
    "aria2.onDownloadComplete",
    "aria2.onDownloadError",
];

impl Notification {
    fn method(self) -> &'static str {
        NOTIFICATIONS[self as usize]
    }

    pub(in crate::serve) fn message(self, gid: Gid) -> Value {
        json!({ "jsonrpc": "2.0", "method": self.method(), "params": [{ "gid": gid.to_string() }] })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn notifications_have_their_names() {
        use Notification::{Complete, Error, Pause, Start, Stop};
        let gid = Gid::parse("00000000000000a1").unwrap();
        for (notification, name) in [
            (Start, "Start"),
            (Pause, "Pause"),
            (Stop, "Stop"),
            (Complete, "Complete"),
            (Error, "Error"),
        ] {
            assert_eq!(
                notification.message(gid),
                json!({
                    "jsonrpc": "2.0",
                    "method": format!("aria2.onDownload{name}"),
                    "params": [{ "gid": "00000000000000a1" }],
                })
            );
        }
    }
}
