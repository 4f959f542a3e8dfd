//! First-layer filters and eigenvectors as grids of small images (paper, Figure 3).

use randlab_report::{
    ArmRef, Converged, Drawing, Files, Layout, ReportError, Run, Runs,
    figure::{Block, Body, Picture, Pictures},
};
use serde::{Deserialize, Serialize};

use crate::{
    alignment::{
        basis::{Basis, Vectors},
        check, pool_run,
        view::AlignRun,
    },
    average::Drawn,
};

/// Filters shown before and after training.
const FILTERS: usize = 32;
const FILTER_COLUMNS: usize = 8;
const VECTOR_COLUMNS: usize = 9;

/// First-layer filters before and after training, leading eigenvectors of the pooled filter covariance, and of the patch
/// covariance, as image grids: four per panel.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Filters {
    /// Panels.
    pub panels: Vec<String>,
    /// Eigenvectors shown.
    pub eigenvectors: u32,
}

impl Drawing for Filters {
    fn arms(&self) -> Vec<ArmRef> {
        self.panels.iter().map(|p| ArmRef::net(p)).collect()
    }

    fn check(&self, layout: &dyn Layout) -> Result<(), String> {
        self.panels.iter().try_for_each(|panel| {
            check(&[ArmRef::net(panel)], layout)?;
            let kept = layout.keeps_checkpoints(panel);
            kept.then_some(()).ok_or_else(|| {
                format!("panel {panel}: checkpoints.per_octave must be at least 1, as first weights are drawn")
            })
        })
    }

    fn needs(&self) -> Files {
        Files::Weights
    }

    fn blocks(&self, runs: &Runs, name: &str) -> Result<Vec<Block>, ReportError> {
        let mut blocks = Vec::new();
        for panel in &self.panels {
            let drawn = Drawn::of(runs, panel);
            let eigenvectors = self.eigenvectors as usize;
            blocks.extend(Grids { runs, panel, drawn, eigenvectors, figure: name }.blocks()?);
        }
        Ok(blocks)
    }
}

/// The grids of one panel.
struct Grids<'a> {
    runs: &'a Runs,
    panel: &'a str,
    drawn: Drawn,
    /// Eigenvectors shown at most.
    eigenvectors: usize,
    figure: &'a str,
}

impl Grids<'_> {
    fn blocks(&self) -> Result<Vec<Block>, ReportError> {
        let seed = self.drawn.seeds.first();
        let Some(run) = seed.and_then(|&s| self.runs.pretrain(self.panel, s)) else {
            return Ok(self.nothing("this panel has no run".to_owned()));
        };
        let path = match pool_run(self.runs, self.panel) {
            Ok(pool) => pool.dir.join("eigenbasis.safetensors"),
            Err(why) => return Ok(self.nothing(why)),
        };
        let basis = Basis::read(&path)?;
        if basis.shape.side < 2 {
            let why = "this net is fully connected: its weights are no images";
            return Ok(self.nothing(why.to_owned()));
        }
        let mut blocks = self.filters(&basis, run)?;
        blocks.extend(self.vectors(&basis)?);
        Ok(blocks)
    }

    /// The same filters of one run, before and after training.
    fn filters(&self, basis: &Basis<'_>, run: &Run) -> Result<Vec<Block>, ReportError> {
        let files = [["start", "before", "checkpoints/step-000000000"], ["end", "after", "final"]];
        let block = |[part, when, file]: [&str; 3]| {
            let rows = basis.filters(&run.dir.join(format!("{file}.safetensors")))?;
            let picture = |row: &Vec<f64>| {
                Ok(Picture { png: basis.shape.png(row, self.figure)?, number: None })
            };
            let items = rows.iter().take(FILTERS).map(picture);
            let items = items.collect::<Result<_, ReportError>>()?;
            let body = Pictures { columns: FILTER_COLUMNS, items, eigenvalues: Vec::new() };
            let title = format!("filters of seed {} {when} training", run.info.seed);
            Ok(self.block(part, &title, self.drawn.notes.clone(), Body::Pictures(body)))
        };
        files.into_iter().map(block).collect()
    }

    /// Leading eigenvectors of the pooled filters and of the patches.
    fn vectors(&self, basis: &Basis<'_>) -> Result<Vec<Block>, ReportError> {
        let mut blocks = Vec::new();
        let weights = match basis.vectors("weights")? {
            Some(vectors) => self.numbered(basis, &vectors)?,
            None => Body::Nothing,
        };
        let notes = self.pool_notes(weights == Body::Nothing);
        blocks.push(self.block("weights", "eigenvectors of the pooled filters", notes, weights));
        if let Some(vectors) = basis.vectors("data")? {
            let body = self.numbered(basis, &vectors)?;
            blocks.push(self.block("data", "eigenvectors of the patches", Vec::new(), body));
        }
        Ok(blocks)
    }

    /// What to know about the pool. Runs that missed their target are left out elsewhere, but not here.
    fn pool_notes(&self, too_few: bool) -> Vec<String> {
        let seeds = Converged::of(self.runs, &[self.panel]);
        let tainted = AlignRun::pool(self.runs, self.panel).is_ok_and(|pool| pool.tainted(&seeds));
        let remark =
            seeds.remark().filter(|_| tainted).map(|r| format!("{r}, and are in the pool"));
        let few = "fewer filters than inputs per filter: no eigenvectors";
        remark.into_iter().chain(too_few.then(|| few.to_owned())).collect()
    }

    fn numbered(&self, basis: &Basis<'_>, vectors: &Vectors) -> Result<Body, ReportError> {
        let picture = |(i, row): (usize, &Vec<f64>)| {
            Ok(Picture { png: basis.shape.png(row, self.figure)?, number: Some(i + 1) })
        };
        let rows = vectors.rows.iter().take(self.eigenvectors).enumerate();
        let items = rows.map(picture).collect::<Result<_, ReportError>>()?;
        let eigenvalues = vectors.values.iter().take(self.eigenvectors).copied().collect();
        Ok(Body::Pictures(Pictures { columns: VECTOR_COLUMNS, items, eigenvalues }))
    }

    fn nothing(&self, why: String) -> Vec<Block> {
        let notes = [self.drawn.notes.as_slice(), &[why]].concat();
        vec![self.block("filters", "filters", notes, Body::Nothing)]
    }

    fn block(&self, part: &str, title: &str, notes: Vec<String>, body: Body) -> Block {
        Block {
            panel: format!("{}.{part}", self.panel),
            title: format!("{}: {title}", self.panel),
            dataset: self.runs.dataset(self.panel).to_owned(),
            notes,
            body,
        }
    }
}
