//! A client that commits and pushes.

use std::time::Duration;

use super::clients::Crowd;

/// How many bytes most commits bring.
const LITTLE: u64 = 300;
/// How many bytes some bring: they take longer to arrive.
const MUCH: u64 = 300_000;
/// What a person is told to do where another git keeps the branch locked for long, which a busy machine brings about.
const AGAIN: &str = "push again";

/// How a client pushes.
#[derive(Debug, Clone, Copy)]
pub struct Promotions {
    /// How long it waits between two pushes.
    pub pause: Duration,
    /// Each how manieth push brings much.
    pub much_every: u64,
}

impl Crowd {
    /// Pushes commits to a branch, one after the other, until the shift is over.
    ///
    /// # Panics
    /// Where git fails although nothing was disturbed, and nobody else has moved the branch or keeps it locked.
    pub fn push_again_and_again(&self, number: usize, branch: &str, promotions: Promotions) {
        let client = self.client.clone().with(&self.token);
        let own = client.empty(&self.url, &format!("pusher-{number}"));
        let tracked = format!("+refs/heads/{branch}:refs/heads/{branch}");
        let mut round = 0;
        while self.pause(promotions.pause) {
            let begun = self.begin();
            let fetched = client.ask(own.path(), ["fetch", "--quiet", "origin", &tracked]);
            if !self.went_well(begun, &fetched, "a pusher's fetch") {
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
            // Somebody else was faster or keeps the branch locked, or something was disturbed.
            let seen = client.ask(own.path(), ["fetch", "--quiet", "origin", &tracked]);
            let words = || format!("{}{}", pushed.stderr, seen.stderr);
            let found = seen.status.success().then(|| own.branch(branch));
            if found == Some(Some(made)) {
                self.excuse(begun, "a push that arrived", words);
                self.accept(branch, made);
            } else if found == Some(fetched) && pushed.stderr.contains(AGAIN) {
                self.put_off();
            } else if found.is_none_or(|found| found == fetched) {
                self.excuse(begun, "a push", words);
            }
        }
    }
}

fn bulk(number: u64, round: u64, promotions: Promotions) -> Vec<u8> {
    let length = if round.is_multiple_of(promotions.much_every) { MUCH } else { LITTLE };
    (0..length).map(|at| (at.wrapping_mul(at ^ number << 7 ^ round) >> 9) as u8).collect()
}
