//! A client that commits and pushes.

use std::time::Duration;

use super::shared::Crowd;

/// How many bytes most commits bring.
const LITTLE: u64 = 300;
/// How many bytes every fifth brings: it takes longer to arrive.
const MUCH: u64 = 300_000;

impl Crowd {
    /// Pushes commits to a branch, one after the other, until the shift is over.
    ///
    /// # Panics
    /// Where git fails although nothing was disturbed, and nobody else has moved the branch.
    pub fn push_again_and_again(&self, number: usize, branch: &str, pause: Duration) {
        let client = self.client.clone().with(&self.token);
        let own = client.empty(&self.url, &format!("pusher-{number}"));
        let tracked = format!("+refs/heads/{branch}:refs/heads/{branch}");
        let mut round = 0;
        while self.pause(pause) {
            let begun = self.begin();
            let fetched = client.ask(own.path(), ["fetch", "--quiet", "origin", &tracked]);
            if !self.went_well(begun, &fetched, "a pusher's fetch") {
                continue;
            }
            let fetched = own.branch(branch);
            round += 1;
            let made = own.commit(branch).file(&format!("of-{number}"), format!("{round}\n"));
            let made = made.file("bulk", bulk(number as u64, round)).make();
            let begun = self.begin();
            let pushed = client.ask(own.path(), ["push", "--quiet", "origin", branch]);
            if pushed.status.success() {
                self.accept(branch, made);
                continue;
            }
            // Somebody else was faster, or something was disturbed.
            let seen = client.ask(own.path(), ["fetch", "--quiet", "origin", &tracked]);
            if !seen.status.success() || own.branch(branch) == fetched {
                self.excuse(begun, "a push", || format!("{}{}", pushed.stderr, seen.stderr));
            }
        }
    }
}

fn bulk(number: u64, round: u64) -> Vec<u8> {
    let length = if round.is_multiple_of(5) { MUCH } else { LITTLE };
    (0..length).map(|at| (at.wrapping_mul(at ^ number << 7 ^ round) >> 9) as u8).collect()
}
