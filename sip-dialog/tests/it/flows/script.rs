//! A flow as it stands in `data/`: who says what to whom, step by step.

/// One message of a flow.
#[derive(Debug, Clone)]
pub(super) struct Step {
    pub(super) name: String,
    pub(super) from: String,
    pub(super) to: String,
    pub(super) head: String,
    pub(super) body: Option<String>,
}

impl Step {
    pub(super) fn start(&self) -> &str {
        self.head.lines().next().unwrap_or_default()
    }

    pub(super) fn status(&self) -> Option<u16> {
        let rest = self.start().strip_prefix("SIP/2.0 ")?;
        rest.get(..3)?.parse().ok()
    }

    /// The method of a request, or of what a response answers.
    pub(super) fn method(&self) -> String {
        match self.status() {
            None => self.start().split(' ').next().unwrap().to_owned(),
            Some(_) => self
                .field("CSeq")
                .unwrap()
                .split_whitespace()
                .nth(1)
                .unwrap()
                .to_owned(),
        }
    }

    pub(super) fn uri(&self) -> &str {
        self.start().split(' ').nth(1).unwrap_or_default()
    }

    pub(super) fn field(&self, name: &str) -> Option<&str> {
        self.fields(name).next()
    }

    pub(super) fn fields(&self, name: &str) -> impl Iterator<Item = &str> {
        self.head.lines().skip(1).filter_map(move |line| {
            let (found, value) = line.split_once(':')?;
            found
                .trim()
                .eq_ignore_ascii_case(name)
                .then(|| value.trim())
        })
    }

    pub(super) fn tag(&self, name: &str) -> Option<&str> {
        let (_, rest) = self.field(name)?.split_once(";tag=")?;
        rest.split(';').next()
    }
}

pub(super) struct Flow {
    pub(super) title: String,
    pub(super) steps: Vec<Step>,
}

/// The flows of one file.
pub(super) fn flows(text: &str) -> Vec<Flow> {
    let mut flows: Vec<Flow> = Vec::new();
    for line in text.lines() {
        if let Some(title) = line.strip_prefix("flow ") {
            flows.push(Flow {
                title: title.to_owned(),
                steps: Vec::new(),
            });
        } else if let Some(step) = line.strip_prefix("step ") {
            let words: Vec<&str> = step.split(' ').collect();
            flows.last_mut().unwrap().steps.push(Step {
                name: words[0].to_owned(),
                from: words[1].to_owned(),
                to: words[3].to_owned(),
                head: String::new(),
                body: None,
            });
        } else if let Some(body) = line.strip_prefix("| ") {
            let step = flows.last_mut().unwrap().steps.last_mut().unwrap();
            step.body = Some(body.to_owned());
        } else if !line.is_empty() {
            let step = flows.last_mut().unwrap().steps.last_mut().unwrap();
            step.head.push_str(line);
            step.head.push('\n');
        }
    }
    flows
}

/// Whether a step is of the transaction layer: 100, the ACK to a refusal, and the answer to a CANCEL that we have sent.
pub(super) fn is_below(steps: &[Step], index: usize, end: &str) -> bool {
    let step = &steps[index];
    if step.status() == Some(100) {
        return true;
    }
    if step.method() == "CANCEL" && step.status().is_some() && step.to == end {
        return true;
    }
    // The ACK to a final response other than 2xx: the last one on that hop with that number.
    step.method() == "ACK"
        && step.status().is_none()
        && steps[..index]
            .iter()
            .rfind(|earlier| {
                (earlier.from == step.to || earlier.to == step.from)
                    && earlier.method() == "INVITE"
                    && earlier.field("Call-ID") == step.field("Call-ID")
                    && earlier.status().is_some_and(|status| status >= 200)
            })
            .is_none_or(|earlier| earlier.status().is_some_and(|status| status >= 300))
}
