//! The two endpoints of readers: which refs there are, and packs of their objects.
//!
//! Every request gets an answer; what goes wrong is in words, for people who read what their git shows.

use std::sync::Arc;

use bytes::Bytes;
use http::StatusCode;

use super::answers::{refs_unavailable, result};
use super::command::{Command, CommandName, Refused};
use super::list;
use super::ls_refs::Listing;
use super::pack::Packs;
use super::packet;
use super::refs_cache::AllRefs;
use super::version::Version;
use crate::http::answer::{Answer, whole};
use crate::repositories::ServedRepository;

const ADVERTISEMENT: &str = "application/x-git-upload-pack-advertisement";

/// What answers readers.
#[derive(Debug)]
pub(crate) struct Reading {
    refs: Arc<AllRefs>,
    packs: Packs,
}

impl Reading {
    /// Answers from these refs and packs.
    pub(crate) fn new(refs: Arc<AllRefs>, packs: Packs) -> Self {
        Self { refs, packs }
    }

    /// Answers `GET …/info/refs?service=git-upload-pack`.
    pub(crate) async fn info_refs(&self, repository: &ServedRepository, version: Version) -> Answer {
        // Version 2 says nothing of the repository, but a client that is invited to go on should find one.
        match self.refs.of_repository(repository).view().await {
            Ok(view) => whole(StatusCode::OK, ADVERTISEMENT, view.advertisement(version)),
            Err(error) => refs_unavailable(repository, &error),
        }
    }

    /// Answers `POST …/git-upload-pack`.
    pub(crate) async fn upload_pack(&self, repository: &ServedRepository, version: Version, body: Bytes) -> Answer {
        let refs = self.refs.of_repository(repository);
        if version != Version::V2 {
            return self.packs.answer(refs, version, &body).await;
        }
        let listing = match Command::parse(&body) {
            Ok(None) => return result(Bytes::new()),
            Ok(Some(command)) => match command.name {
                CommandName::Fetch => return self.packs.answer(refs, version, &body).await,
                CommandName::LsRefs => Listing::parse(&command.arguments, &repository.snapshots),
            },
            Err(refused) => Err(refused),
        };
        match listing {
            Err(Refused(words)) => result(packet::refusal(&words).into()),
            Ok(listing) => match list::answer(refs, listing).await {
                Ok(answer) => answer,
                Err(error) => refs_unavailable(repository, &error),
            },
        }
    }
}
