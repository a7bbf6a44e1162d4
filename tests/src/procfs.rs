//! Running programs as the kernel shows them.
//!
//! Never: a wait; what is read is how it was at that moment.

use std::collections::BTreeMap;

use rustix::process::{Pid, Signal, kill_process};

/// One running program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Process {
    /// Its number.
    pub id: u32,
    /// The number of its parent process.
    pub parent: u32,
    /// Its command line, joined by spaces; empty for a zombie.
    pub command_line: String,
}

impl Process {
    /// Ends it at once, as `kill -9` does; gives whether it existed.
    pub fn kill(&self) -> bool {
        signal(self.id, Signal::KILL)
    }
}

/// Sends a signal to a process; gives whether it existed.
pub fn signal(id: u32, signal: Signal) -> bool {
    let pid = i32::try_from(id).ok().and_then(Pid::from_raw);
    pid.is_some_and(|pid| kill_process(pid, signal).is_ok())
}

/// Gives every program below one, however deep, in the order of their numbers.
pub fn descendants(of: u32) -> Vec<Process> {
    let mut children = BTreeMap::<u32, Vec<Process>>::new();
    for process in all() {
        children.entry(process.parent).or_default().push(process);
    }
    let (mut found, mut waiting) = (Vec::new(), vec![of]);
    while let Some(parent) = waiting.pop() {
        for child in children.remove(&parent).unwrap_or_default() {
            waiting.push(child.id);
            found.push(child);
        }
    }
    found.sort_by_key(|process| process.id);
    found
}

/// Gives every process whose command line contains a text: a path that only the test has.
pub fn mentioning(text: &str) -> Vec<Process> {
    all().filter(|process| process.command_line.contains(text)).collect()
}

/// Gives the most memory that a program ever held at once, in bytes; nothing where it is gone.
pub fn peak_memory(id: u32) -> Option<u64> {
    memory(id, "VmHWM:")
}

/// Gives the memory that a program holds, in bytes; nothing where it is gone.
pub fn resident_memory(id: u32) -> Option<u64> {
    memory(id, "VmRSS:")
}

/// Gives how many files a program has open, sockets and pipes among them; nothing where it is gone.
pub fn open_files(id: u32) -> Option<usize> {
    Some(std::fs::read_dir(format!("/proc/{id}/fd")).ok()?.count())
}

/// Gives how many threads a program has; nothing where it is gone.
pub fn threads(id: u32) -> Option<usize> {
    Some(std::fs::read_dir(format!("/proc/{id}/task")).ok()?.count())
}

fn memory(id: u32, field: &str) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{id}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix(field))?;
    line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok().map(|kilobytes| kilobytes * 1024)
}

fn all() -> impl Iterator<Item = Process> {
    let entries = std::fs::read_dir("/proc").expect("because the kernel shows its programs");
    entries.flatten().filter_map(|entry| {
        let id = entry.file_name().to_str()?.parse().ok()?;
        let folder = entry.path();
        let stat = std::fs::read_to_string(folder.join("stat")).ok()?;
        // The name is in parentheses and may contain anything, parentheses too.
        let (_, behind) = stat.rsplit_once(") ")?;
        let parent = behind.split(' ').nth(1)?.parse().ok()?;
        let command_line = std::fs::read(folder.join("cmdline")).unwrap_or_default();
        let command_line = String::from_utf8_lossy(&command_line).trim_end_matches('\0').replace('\0', " ");
        Some(Process { id, parent, command_line })
    })
}

#[cfg(test)]
mod tests {
    use std::process::{Command, Stdio};

    use super::*;

    #[test]
    fn a_child_is_found_and_killed() {
        let mut child = Command::new("cat").stdin(Stdio::piped()).spawn().unwrap();
        let found = descendants(std::process::id()).into_iter().find(|process| process.id == child.id()).unwrap();
        assert_eq!(found.parent, std::process::id());
        assert!(peak_memory(found.id).is_some_and(|bytes| bytes > 0));
        assert!(found.kill());
        assert!(!child.wait().unwrap().success());
        assert!(!descendants(std::process::id()).iter().any(|process| process.id == found.id));
    }
}
