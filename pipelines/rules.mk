# How to make each run. The Makefile passes R (folder of the scale), DATA (name of the dataset) and BIN (folder of the
# programs); randlab-plan writes the lists of runs and their dependencies.
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DELETE_ON_ERROR:
.SUFFIXES:

# Prefix of every run's command, for example `srun -n1 -c1`.
LAUNCH ?=

# One thread per run: parallel runs use the cores better than threads within a run. Results do not depend on it.
export RAYON_NUM_THREADS ?= 1
# Progress bars of parallel runs would overwrite each other.
PROGRESS = $(if $(filter -j1,$(MAKEFLAGS)),auto,lines)

include $(R)/plan/$(DATA).mk

.PHONY: prepare pretrain finetune align report again
prepare: $(PREPARE:%=$(R)/prepare/%/run.json)
pretrain: $(PRETRAIN:%=$(R)/pretrain/%/run.json)
finetune: $(FINETUNE:%=$(R)/finetune/%/run.json)
align: $(ALIGN:%=$(R)/align/%/run.json)
report: $(REPORT:%=$(R)/report/%/run.json)
	@:
# A run is done once its manifest exists, which the stage writes last. The stage compares configuration and inputs with the
# manifest, and does nothing if they match.
define stage
$($(2):%=$(R)/$(1)/%/run.json): $(R)/$(1)/%/run.json: $(R)/plan/$(1)/%.toml
	@$$(LAUNCH) $(BIN)/randlab-$(1) --plan $$< --out $$(@D) --progress $$(PROGRESS)
endef
$(eval $(call stage,prepare,PREPARE))
$(eval $(call stage,pretrain,PRETRAIN))
$(eval $(call stage,finetune,FINETUNE))
$(eval $(call stage,align,ALIGN))
$(eval $(call stage,report,REPORT))
