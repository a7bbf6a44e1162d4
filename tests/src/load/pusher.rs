//! A client that commits and pushes.

use std::time::Duration;

use super::clients::Clients;

/// How many bytes most commits bring.
const SMALL: u64 = 300;
/// How many bytes some bring: they take longer to arrive.
const LARGE: u64 = 300_000;
/// The advice in the rejection of a push that waited for a branch's lock in vain, which happens on a busy machine.
const PUSH_AGAIN: &str = "push again";

/// How a client pushes.
#[derive(Debug, Clone, Copy)]
pub struct PushPace {
    /// How long it waits between two pushes.
    pub pause: Duration,
    /// One push in so many is large.
    pub large_every: u64,
}

impl Clients {
    /// Pushes commits to a branch, one after the other, until the stop is over.
    ///
    /// # Panics
    /// Where git fails although nothing was disturbed, and no other client has moved the branch or holds its lock.
    pub fn push_repeatedly(&self, number: usize, branch: &str, promotions: PushPace) {
        let client = self.client.clone().with(&self.token);
        let own = client.empty(&self.url, &format!("pusher-{number}"));
        let tracked = format!("+refs/heads/{branch}:refs/heads/{branch}");
        let mut round = 0;
        while self.pause(promotions.pause) {
            let begun = self.begin();
            let fetched = client.ask(own.path(), ["fetch", "--quiet", "origin", &tracked]);
            if !self.succeeded(begun, &fetched, "a pusher's fetch") {
                continue;
            }
            let fetched = own.branch(branch);
            round += 1;
            let made = own.commit(branch).file(&format!("of-{number}"), format!("{round}\n"));
            let made = made.file("bulk", bulk(number as u64, round, promotions)).make();
            let begun = self.begin();
            let pushed = client.ask(own.path(), ["push", "--quiet", "origin", branch]);
            if pushed.status.success() {
                self.accept(branch, made);
                continue;
            }
            // Another client was faster or holds the branch's lock, or something was disturbed.
            let seen = client.ask(own.path(), ["fetch", "--quiet", "origin", &tracked]);
            let output = || format!("{}{}", pushed.stderr, seen.stderr);
            let found = seen.status.success().then(|| own.branch(branch));
            if found == Some(Some(made)) {
                self.excuse(begun, "a push that arrived", output);
                self.accept(branch, made);
            } else if found == Some(fetched) && pushed.stderr.contains(PUSH_AGAIN) {
                self.count_excused();
            } else if found.is_none_or(|found| found == fetched) {
                self.excuse(begun, "a push", output);
            }
        }
    }
}

fn bulk(number: u64, round: u64, promotions: PushPace) -> Vec<u8> {
    let length = if round.is_multiple_of(promotions.large_every) { LARGE } else { SMALL };
    (0..length).map(|at| (at.wrapping_mul(at ^ number << 7 ^ round) >> 9) as u8).collect()
}
