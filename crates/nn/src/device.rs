//! What a net runs on.

use std::str::FromStr;

use candle_core::{Device, DeviceLocation};

/// The processor, on which the bits of a run are reproducible, or another device.
#[derive(Debug, Clone)]
pub struct RunsOn(Device);

impl RunsOn {
    /// The processor.
    pub const CPU: Self = Self(Device::Cpu);

    /// For the tensor library.
    pub const fn device(&self) -> &Device {
        &self.0
    }

    /// `cpu`, `cuda:N` or `metal:N`.
    pub fn name(&self) -> String {
        match self.0.location() {
            DeviceLocation::Cpu => "cpu".into(),
            DeviceLocation::Cuda { gpu_id } => format!("cuda:{gpu_id}"),
            DeviceLocation::Metal { gpu_id } => format!("metal:{gpu_id}"),
        }
    }
}

impl FromStr for RunsOn {
    type Err = String;

    /// Opens the device of a name as in [`RunsOn::name`]; without a number it is 0, and `auto` is the first GPU if there is one.
    ///
    /// # Errors
    /// When there is no such device, or the program was built without it.
    fn from_str(name: &str) -> Result<Self, String> {
        let (kind, number) = name.split_once(':').unwrap_or((name, "0"));
        let number =
            || number.parse().map_err(|_| format!("{number:?} is not the number of a device"));
        let built = |with: bool| {
            let feature = format!("built without {kind}; build with --features {kind}, or use cpu");
            if with { Ok(()) } else { Err(feature) }
        };
        let opened = |device: candle_core::Result<Device>| {
            device
                .map(Self)
                .map_err(|e| e.to_string().lines().next().unwrap_or_default().to_owned())
        };
        match kind {
            "cpu" if name == kind => Ok(Self::CPU),
            "auto" if name == kind => opened(first_gpu()),
            "cuda" => {
                built(cfg!(feature = "cuda")).and_then(|()| opened(Device::new_cuda(number()?)))
            }
            "metal" => {
                built(cfg!(feature = "metal")).and_then(|()| opened(Device::new_metal(number()?)))
            }
            _ => Err("expected auto, cpu, cuda:N or metal:N".into()),
        }
    }
}

fn first_gpu() -> candle_core::Result<Device> {
    match Device::cuda_if_available(0)? {
        Device::Cpu => Device::metal_if_available(0),
        gpu => Ok(gpu),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_and_given_back() {
        assert_eq!("cpu".parse::<RunsOn>().unwrap().name(), "cpu");
        let problem = |name: &str| name.parse::<RunsOn>().unwrap_err();
        for name in ["gpu", "cpu:1", ""] {
            assert_eq!(problem(name), "expected auto, cpu, cuda:N or metal:N");
        }
        if cfg!(not(any(feature = "cuda", feature = "metal"))) {
            assert_eq!("auto".parse::<RunsOn>().unwrap().name(), "cpu");
            for kind in ["cuda", "metal"] {
                let expected =
                    format!("built without {kind}; build with --features {kind}, or use cpu");
                assert_eq!(problem(&format!("{kind}:0")), expected);
                assert_eq!(problem(kind), expected);
            }
        }
    }
}
