# How each run is made. Called by the Makefile with R (folder of the scale), DATA (name of the dataset) and BIN (folder of
# the programs); the lists of runs and the edges between them come from randlab-plan.
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DELETE_ON_ERROR:
.SUFFIXES:

# Put before every run, for example `srun -n1 -c1`.
LAUNCH ?=

# One thread a run: runs side by side use the cores better than threads inside one. The bits do not depend on it.
export RAYON_NUM_THREADS ?= 1
# Bars of several runs would overwrite each other.
PROGRESS = $(if $(filter -j1,$(MAKEFLAGS)),auto,lines)

include $(R)/plan/$(DATA).mk

.PHONY: prepare pretrain finetune align report again
prepare: $(PREPARE:%=$(R)/prepare/%/run.json)
pretrain: $(PRETRAIN:%=$(R)/pretrain/%/run.json)
finetune: $(FINETUNE:%=$(R)/finetune/%/run.json)
align: $(ALIGN:%=$(R)/align/%/run.json)
report: $(REPORT:%=$(R)/report/%/run.json)
	@:
# A run is done when its manifest is there, which the stage writes last. The stage itself looks whether configuration and
# inputs are those the manifest stands for, and does nothing if they are.
define stage
$($(2):%=$(R)/$(1)/%/run.json): $(R)/$(1)/%/run.json: $(R)/plan/$(1)/%.toml
	@$$(LAUNCH) $(BIN)/randlab-$(1) --plan $$< --out $$(@D) --progress $$(PROGRESS)
endef
$(eval $(call stage,prepare,PREPARE))
$(eval $(call stage,pretrain,PRETRAIN))
$(eval $(call stage,finetune,FINETUNE))
$(eval $(call stage,align,ALIGN))
$(eval $(call stage,report,REPORT))
