//! A net as a list of steps, and how such a list is written down.
//!
//! The list is the only definition of a net: names and shapes of its tensors, evaluation and training all follow from it.

use randlab_kernels::{ConvSpec, PoolSpec};

use crate::{Architectures, Layer, NnError};

/// The layers of a net and what is done with them.
pub struct NetPlan {
    /// From input to head.
    pub(crate) layers: Vec<Layer>,
    /// In the order they are computed in; the last one gives the logits.
    pub(crate) steps: Vec<Step>,
    /// Size `[C, H, W]` of each value.
    maps: Vec<[usize; 3]>,
}

/// What a step works on: 0 is the input of the net, `i + 1` the result of step `i`.
pub(crate) type Value = usize;

/// The output of a layer without ReLU, for the batch norm that belongs to it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Output {
    /// Place in [`NetPlan::layers`].
    pub layer: usize,
    pub value: Value,
}

/// One operation.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Step {
    pub op: Op,
    pub from: Value,
}

impl Step {
    /// What else it works on.
    pub const fn plus(&self) -> Option<Value> {
        match self.op {
            Op::Norm { plus, .. } => plus,
            Op::Sum { plus } => Some(plus),
            Op::ConvReluPool { .. }
            | Op::Conv { .. }
            | Op::Linear { .. }
            | Op::MaxPool(_)
            | Op::AveragePool => None,
        }
    }

    /// Whether it works on `value`.
    pub fn reads(&self, value: Value) -> bool {
        self.from == value || self.plus() == Some(value)
    }
}

/// Operations; layers are given by their place in [`NetPlan::layers`].
#[derive(Debug, Clone, Copy)]
pub(crate) enum Op {
    /// Convolution, bias, ReLU and max-pool.
    ConvReluPool {
        layer: usize,
        spec: ConvSpec,
    },
    /// Convolution and bias, if the layer has one.
    Conv {
        layer: usize,
        stride: usize,
        padding: usize,
    },
    /// Fully connected, on the values of all maps.
    Linear {
        layer: usize,
        relu: bool,
    },
    /// Batch norm of the layer, then an addition if there is one.
    Norm {
        layer: usize,
        plus: Option<Value>,
        relu: bool,
    },
    MaxPool(PoolSpec),
    /// Mean of each map.
    AveragePool,
    /// Addition alone.
    Sum {
        plus: Value,
    },
}

impl Op {
    /// The layer whose output is the result of this operation and its ReLU.
    pub const fn ends_in_relu(self) -> Option<usize> {
        match self {
            Self::ConvReluPool { layer, .. }
            | Self::Linear { layer, relu: true }
            | Self::Norm { layer, relu: true, .. } => Some(layer),
            Self::Conv { .. }
            | Self::Linear { relu: false, .. }
            | Self::Norm { relu: false, .. }
            | Self::MaxPool(_)
            | Self::AveragePool
            | Self::Sum { .. } => None,
        }
    }
}

/// Sizes of a convolution without ReLU.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Conv {
    pub filters: usize,
    pub kernel: usize,
    pub stride: usize,
    pub bias: bool,
}

impl NetPlan {
    /// The plan of `spec` for inputs `[channels, height, width]`.
    ///
    /// # Errors
    /// [`NnError::Model`] when a setting is out of range, or a window is larger than what it slides over.
    pub(crate) fn new(
        spec: &Architectures,
        input: [usize; 3],
        outputs: usize,
    ) -> Result<Self, NnError> {
        let spec = spec.as_ref();
        spec.check().map_err(NnError::Model)?;
        let mut plan = Self { layers: Vec::new(), steps: Vec::new(), maps: vec![input] };
        spec.write(&mut plan, outputs)?;
        match plan.layers.iter().find(|l| l.shape.contains(&0)) {
            None => Ok(plan),
            Some(empty) => Err(NnError::Model(format!(
                "layer {} has a size of 0: {:?}",
                empty.name, empty.shape
            ))),
        }
    }

    /// Whether a ReLU has made about half of a value 0, and no pool has chosen the largest since.
    pub(crate) fn behind_relu(&self, value: Value) -> bool {
        let op = value.checked_sub(1).map(|step| self.steps[step].op);
        let pooled = matches!(op, Some(Op::ConvReluPool { spec, .. }) if spec.pool > 1);
        !pooled && op.is_some_and(|op| op.ends_in_relu().is_some())
    }

    /// Channels of a value.
    pub(crate) fn channels(&self, of: Value) -> usize {
        self.maps[of][0]
    }

    /// Convolution of so many filters with kernels of so many pixels a side, bias, ReLU and max-pool.
    pub(crate) fn conv_relu_pool(
        &mut self,
        name: &str,
        from: Value,
        (filters, kernel): (usize, usize),
        spec: ConvSpec,
    ) -> Result<Value, NnError> {
        let ConvSpec { stride, padding, pool } = spec;
        let map = after(self.maps[from], (kernel, stride, padding, pool), filters)?;
        let layer = self.layer(name, vec![filters, self.channels(from), kernel, kernel], true);
        Ok(self.push(Op::ConvReluPool { layer, spec }, from, map))
    }

    /// Convolution alone. Padded so that stride 1 keeps the size, for kernels of odd size.
    pub(crate) fn conv(&mut self, name: &str, from: Value, conv: Conv) -> Result<Output, NnError> {
        let Conv { filters, kernel, stride, bias } = conv;
        let padding = kernel / 2;
        let map = after(self.maps[from], (kernel, stride, padding, 1), filters)?;
        let layer = self.layer(name, vec![filters, self.channels(from), kernel, kernel], bias);
        let value = self.push(Op::Conv { layer, stride, padding }, from, map);
        Ok(Output { layer, value })
    }

    /// Batch norm of an output, then an addition if there is one, then ReLU.
    pub(crate) fn norm_relu(&mut self, name: &str, of: Output, plus: Option<Value>) -> Value {
        self.normed(name, of, plus, true)
    }

    /// Batch norm of an output.
    pub(crate) fn norm(&mut self, name: &str, of: Output) -> Value {
        self.normed(name, of, None, false)
    }

    fn normed(&mut self, name: &str, of: Output, plus: Option<Value>, relu: bool) -> Value {
        let Output { layer, value } = of;
        self.layers[layer].norm = Some(name.to_owned());
        self.push(Op::Norm { layer, plus, relu }, value, self.maps[value])
    }

    /// Fully connected, on the values of all maps.
    pub(crate) fn linear(&mut self, name: &str, from: Value, units: usize, relu: bool) -> Value {
        let layer = self.layer(name, vec![units, self.maps[from].iter().product()], true);
        self.push(Op::Linear { layer, relu }, from, [units, 1, 1])
    }

    /// Max-pool alone.
    pub(crate) fn max_pool(&mut self, from: Value, spec: PoolSpec) -> Result<Value, NnError> {
        let PoolSpec { side, stride, padding } = spec;
        let map = after(self.maps[from], (side, stride, padding, 1), self.channels(from))?;
        Ok(self.push(Op::MaxPool(spec), from, map))
    }

    /// Mean of each map.
    pub(crate) fn average_pool(&mut self, from: Value) -> Value {
        self.push(Op::AveragePool, from, [self.channels(from), 1, 1])
    }

    /// Addition alone.
    pub(crate) fn sum(&mut self, from: Value, plus: Value) -> Value {
        self.push(Op::Sum { plus }, from, self.maps[from])
    }

    fn layer(&mut self, name: &str, shape: Vec<usize>, bias: bool) -> usize {
        self.layers.push(Layer { name: name.to_owned(), shape, bias, norm: None });
        self.layers.len() - 1
    }

    fn push(&mut self, op: Op, from: Value, map: [usize; 3]) -> Value {
        self.steps.push(Step { op, from });
        self.maps.push(map);
        self.steps.len()
    }
}

/// Size of the map after a convolution and its pool.
fn after(
    [_, h, w]: [usize; 3],
    (kernel, stride, padding, pool): (usize, usize, usize, usize),
    filters: usize,
) -> Result<[usize; 3], NnError> {
    let size = |side: usize| {
        let padded = side + 2 * padding;
        let fits = kernel > 0 && stride > 0 && pool > 0 && kernel <= padded;
        fits.then(|| ((padded - kernel) / stride + 1) / pool).filter(|&s| s > 0)
    };
    match (size(h), size(w)) {
        (Some(h), Some(w)) => Ok([filters, h, w]),
        _ => Err(NnError::Model(format!(
            "kernel {kernel}, stride {stride}, padding {padding} and pool {pool} leave nothing of {h}x{w} inputs"
        ))),
    }
}
