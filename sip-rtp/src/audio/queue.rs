//! Samples between packets of one length and reads of another.

/// A queue of samples that moves them only when it must.
#[derive(Debug, Default)]
pub(super) struct SampleQueue {
    samples: Vec<i16>,
    start: usize,
}

impl SampleQueue {
    pub(super) fn len(&self) -> usize {
        self.samples.len() - self.start
    }

    pub(super) fn write(&mut self, pcm: &[i16]) {
        if self.start == self.samples.len() {
            self.samples.clear();
        } else {
            self.samples.drain(..self.start);
        }
        self.start = 0;
        self.samples.extend_from_slice(pcm);
    }

    /// Moves the first samples to `pcm`, as many as there are.
    pub(super) fn read(&mut self, pcm: &mut [i16]) {
        let count = pcm.len().min(self.len());
        if let (Some(to), Some(from)) = (
            pcm.get_mut(..count),
            self.samples.get(self.start..self.start + count),
        ) {
            to.copy_from_slice(from);
        }
        self.start += count;
    }
}
