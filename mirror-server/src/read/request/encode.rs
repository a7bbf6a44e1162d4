//! Writing a request in its canonical form.

use mirror_git::pkt::encode;

use super::{Depth, Ending, Feature, FetchRequest, Wire};

impl Feature {
    /// git's word for it.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::MultiAckDetailed => "multi_ack_detailed",
            Self::MultiAck => "multi_ack",
            Self::NoDone => "no-done",
            Self::ThinPack => "thin-pack",
            Self::SideBand64k => "side-band-64k",
            Self::SideBand => "side-band",
            Self::OfsDelta => "ofs-delta",
            Self::NoProgress => "no-progress",
            Self::IncludeTag => "include-tag",
            Self::DeepenRelative => "deepen-relative",
            Self::Filter => "filter",
            Self::WaitForDone => "wait-for-done",
        }
    }
}

impl FetchRequest {
    /// Writes what `git upload-pack` gets to read. Requests that must be answered alike are written alike.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(128 + 52 * (self.wants.len() + self.haves.len() + self.shallow.len()));
        match self.wire {
            Wire::V0 => self.encode_v0(&mut bytes),
            Wire::V2 => self.encode_v2(&mut bytes),
        }
        bytes
    }

    fn encode_v0(&self, into: &mut Vec<u8>) {
        let mut features: String = self.features.iter().map(|feature| format!(" {}", feature.word())).collect();
        if self.filter.is_some() {
            features.push_str(" filter");
        }
        for want in &self.wants {
            line(&format!("want {want}{}", std::mem::take(&mut features)), into);
        }
        self.encode_shape(into);
        encode::flush(into);
        self.encode_haves(into);
        if self.ending == Ending::Open {
            encode::flush(into);
        }
    }

    fn encode_v2(&self, into: &mut Vec<u8>) {
        line("command=fetch", into);
        line("object-format=sha1", into);
        encode::delimiter(into);
        for feature in &self.features {
            line(feature.word(), into);
        }
        for want in &self.wants {
            line(&format!("want {want}"), into);
        }
        self.encode_shape(into);
        self.encode_haves(into);
        encode::flush(into);
    }

    fn encode_shape(&self, into: &mut Vec<u8>) {
        for shallow in &self.shallow {
            line(&format!("shallow {shallow}"), into);
        }
        match &self.depth {
            Depth::Whole => {}
            Depth::Commits(depth) => line(&format!("deepen {depth}"), into),
            Depth::Bounded { since, not } => {
                if let Some(since) = since {
                    line(&format!("deepen-since {since}"), into);
                }
                for name in not {
                    line(&format!("deepen-not {name}"), into);
                }
            }
        }
        if let Some(filter) = &self.filter {
            line(&format!("filter {filter}"), into);
        }
    }

    fn encode_haves(&self, into: &mut Vec<u8>) {
        for have in &self.haves {
            line(&format!("have {have}"), into);
        }
        if self.ending == Ending::Done {
            line("done", into);
        }
    }
}

fn line(text: &str, into: &mut Vec<u8>) {
    encode::data(format!("{text}\n").as_bytes(), into);
}
