# How each run is made. Called by the Makefile with R (folder of the scale), DATA (name of the dataset) and BIN (folder of
# the programs). randlab-plan writes what is to be made, and in which order; it decides by content, so times of files do not
# matter here.
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

.PHONY: again $(GOALS:%=goal-%)

# The runs of a stage that are to be made. Input is closed: a launcher must not read that of whoever called make.
define stage
$(AGAIN_$(1):%=$(R)/$(1)/%/run.json): again
	@$$(LAUNCH) $(BIN)/randlab-$(1) --plan $(R)/plan/$(1)/$$(notdir $$(@D)).toml --out $$(@D) --progress $$(PROGRESS) </dev/null
endef
$(foreach s,$(STAGES),$(if $(AGAIN_$(s)),$(eval $(call stage,$(s)))))

# A goal is made when all runs it stands for are. Then the path of its page, the last of them, is printed.
define goal
goal-$(1): $(GOAL_$(1):%=$(R)/%/run.json)
	@$(if $(filter-out $(STAGES),$(1)),echo $(R)/$(lastword $(GOAL_$(1)))/report.html,:)
endef
$(foreach g,$(GOALS),$(eval $(call goal,$(g))))
