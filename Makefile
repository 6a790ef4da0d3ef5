# Everything happens in .venv; a machine needs Python 3.11 or newer, and make.

PYTHON ?= python3
PHOTOS ?= examples/photos
LARGE ?= /tmp/glimpse-large
MODEL ?= starter
TARGET ?= decoding checkpoints queries filters
SECONDS ?= 3600
CLIPART ?= /usr/share/openclipart
# One more than there are cores: tests wait a third of their time, for browsers, servers and what was killed.
TESTERS ?= $(shell $(PYTHON) -c 'import os; print(1 + (os.cpu_count() or 1))')

BIN := .venv/bin
DEMO := .demo
GLIMPSE := $(BIN)/python -m indexer

.PHONY: $(shell sed -n "s/^\\([a-z-]*\\):.*/\\1/p" Makefile)
.DEFAULT_GOAL := demo

.venv/made:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	    || { echo "$(PYTHON) is older than 3.11; name a newer one: make PYTHON=python3.12" >&2; exit 1; }
	$(PYTHON) -m venv .venv
	touch $@

.venv/installed: .venv/made pyproject.toml
	$(BIN)/pip install --quiet --editable .
	touch $@

.venv/installed-dev: .venv/made pyproject.toml
	$(BIN)/pip install --quiet --editable ".[dev]"
	touch .venv/installed $@

## demo: a library of the free pictures in examples/photos, and what it answers
demo: .venv/installed
	$(GLIMPSE) build "$(PHOTOS)" --library $(DEMO) --model $(MODEL)
	@for query in "cat" "musical instrument" "bridge at night" "bird - chicken"; do \
	    printf '\n$$ glimpse search "%s"\n' "$$query"; \
	    $(GLIMPSE) search "$$query" --top 4 --library $(DEMO); \
	done
	@first=$$($(GLIMPSE) search "kitten" --top 1 --filepath-only --library $(DEMO)); \
	    printf '\n$$ glimpse search "%s"\n' "$$first"; \
	    $(GLIMPSE) search "$$first" --top 4 --library $(DEMO)
	@printf '\nOpen the page:  %s ui --library %s\n' "$(GLIMPSE)" "$(DEMO)"

## test: everything that CI runs besides `check`
test: .venv/installed-dev
	$(BIN)/python -m pytest --numprocesses $(TESTERS) --dist loadfile --no-loadscope-reorder

## check: format, lint, types, the one way that imports run, and the files of the containers
check: .venv/installed-dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/hadolint deploy/Containerfile
	$(BIN)/check-jsonschema --quiet --builtin-schema vendor.compose-spec deploy/compose.yaml

## bench-search: latency, recall, filters, threads and memory of searches over 100,000 and a million photos, beside FAISS
bench-search: .venv/installed-dev
	$(BIN)/python -m benchmarks.search --out benchmarks/results/search.json

## bench-milvus: latency and recall of vectors in Milvus beside FAISS, filtered too (URI names a server; else Milvus Lite)
bench-milvus: .venv/installed-dev
	$(BIN)/python -m benchmarks.milvus $(if $(URI),--uri $(URI)) --out benchmarks/results/milvus.json

## bench-postgres: a catalog on PostgreSQL beside one on SQLite (SERVER names empty databases, a pair each; else one is started)
bench-postgres: .venv/installed-dev
	$(BIN)/python -m benchmarks.postgres $(if $(SERVER),--server $(SERVER)) --out benchmarks/results/postgres.json

## bench-growth: latency, memory, disk, opening and building from ten thousand to five million vectors; 14 GB, half an hour
bench-growth: .venv/installed-dev
	$(BIN)/python -m benchmarks.growth --out benchmarks/results/growth.json

## bench-ondisk: the same with cells on disk, a million and five million vectors; 14 GB, half an hour
bench-ondisk: .venv/installed-dev
	$(BIN)/python -m benchmarks.growth --vectors ondisk --sizes 1000000 5000000 --out benchmarks/results/ondisk.json

## bench-quick: whether anything has become slower, by ratios to fixed references; some 40 seconds
bench-quick: .venv/installed-dev
	$(BIN)/python -m benchmarks.quick

## bench-training: pictures a second beside lightly's own loop (PHOTOS names JPEGs, such as CIFAR-10's); some ten minutes
bench-training: .venv/installed-dev
	for network in resnet10-narrow resnet18; do \
	    $(BIN)/python -m benchmarks.training $(PHOTOS) --backbone $$network \
	        --out benchmarks/results/training-$$network.json || exit 1; \
	done

## reliability: what docs/reliability.md promises, tried; writes its last column
reliability: .venv/installed-dev
	$(BIN)/python -m benchmarks.reliability

## crash: a thousand processes that write to a library killed at random times, in every stage; some ten minutes
crash: .venv/installed-dev
	$(BIN)/python -m benchmarks.crash --kills 1000 --out benchmarks/results/crash.json

## crash-steps: builds, removals and migrations stopped at every single step, and whatever else in any order; some hours
crash-steps: .venv/installed-dev
	GLIMPSE_LONG=1 $(BIN)/python -m pytest --timeout 0 tests/test_failpoints.py tests/test_migrations.py \
	    tests/test_stopping.py tests/test_any_order.py

## fuzz: an hour of made-up inputs for each target (TARGET names one, SECONDS how long)
fuzz: .venv/installed-dev
	$(BIN)/pip install --quiet "atheris>=2.3"
	for target in $(TARGET); do $(BIN)/python -m tests.fuzzing $$target $(SECONDS) .fuzz/$$target || exit 1; done

## lock: every dependency of a release at one version, with hashes (pip install --require-hashes -r requirements.lock)
lock: .venv/made
	$(BIN)/pip install --quiet uv
	$(BIN)/uv pip compile pyproject.toml --extra map --extra milvus --extra postgres --extra raw --extra ray --extra train \
	    --generate-hashes --no-header --quiet --output-file requirements.lock

## audit: known weaknesses of those versions; asks PyPI's database
audit: .venv/made
	$(BIN)/pip install --quiet pip-audit
	$(BIN)/pip-audit --requirement requirements.lock --disable-pip --no-deps

## licences: of everything that is installed, as docs/licences.md
licences: .venv/installed
	$(BIN)/pip install --quiet pip-licenses
	$(BIN)/pip-licenses --format markdown --order license --with-urls --output-file docs/licences.md

## retrieval: recall and precision over pictures with known answers (PHOTOS, CAPTIONS and CATEGORIES name them)
retrieval: .venv/installed
	$(BIN)/python -m benchmarks.retrieval $(PHOTOS) $(CAPTIONS) $(CATEGORIES) --out benchmarks/results/retrieval.json

## tagging: precision and recall of tags on pictures with known answers (PHOTOS and CATEGORIES name them)
tagging: .venv/installed-dev
	$(BIN)/python -m benchmarks.tagging $(PHOTOS) $(CATEGORIES) --out benchmarks/results/tagging.json

## relevance: where answers end, and what marking results is worth (PHOTOS and CATEGORIES name them)
relevance: .venv/installed
	$(BIN)/python -m benchmarks.relevance $(PHOTOS) $(CATEGORIES) --out benchmarks/results/relevance.json

## duplicates: copies found and look-alikes kept apart, over copies made of pictures (PHOTOS names some hundreds)
duplicates: .venv/installed
	$(BIN)/python -m benchmarks.duplicates $(PHOTOS) --out benchmarks/results/duplicates.json

## atlas: how well the map keeps what is alike together (PHOTOS and CATEGORIES name pictures with known answers)
atlas: .venv/installed-dev
	$(BIN)/python -m benchmarks.atlas $(PHOTOS) $(CATEGORIES) --out benchmarks/results/atlas.json

## cifar: SimCLR, MoCo and BYOL on CIFAR-10, on two cores; half an hour each (CIFAR names the folder with train and test)
cifar: .venv/installed-dev
	for method in simclr moco byol; do \
	    $(BIN)/python -m benchmarks.cifar $$method $(CIFAR) --minutes 26 --out benchmarks/results || exit 1; \
	done

## cifar-gpu: the same with a ResNet-18 for 200 epochs, on a graphics card
cifar-gpu: .venv/installed-dev
	for method in simclr moco byol; do \
	    $(BIN)/python -m benchmarks.cifar $$method $(CIFAR) --backbone resnet18 --epochs 200 || exit 1; \
	done

## bench-indexing: building beside rclip, and beside decoding and the model alone (PHOTOS; RCLIP names rclip's virtual environment)
bench-indexing: .venv/installed-dev
	$(BIN)/python -m benchmarks.indexing $(PHOTOS) $(if $(RCLIP),--rclip $(RCLIP)) --out benchmarks/results/indexing.json

## bench-isolation: what it costs to decode in processes of their own (PHOTOS names some hundreds of JPEGs)
bench-isolation: .venv/installed-dev
	$(BIN)/python -m benchmarks.isolation $(PHOTOS) --out benchmarks/results/isolation.json

## bench-ray: a cluster of Ray's on this machine beside a build without it, workers killed, pictures behind an S3 server
bench-ray: .venv/installed-dev
	$(BIN)/python -m benchmarks.ray $(PHOTOS) --out benchmarks/results/ray.json

## bench-gpu: images a second on a graphics card, and how busy building keeps it
bench-gpu: .venv/installed-dev
	$(BIN)/python -m benchmarks.gpu $(PHOTOS) --out benchmarks/results/gpu.json

## bench-update: a library of 100,000 photos in which nothing, or one photo, is new (LARGE names a folder for it, of 3 GB)
bench-update: .venv/installed
	$(BIN)/python -m benchmarks.updating $(LARGE)/100000 --out benchmarks/results/updating.json

## bench-cold: one search as a command of its own over 100,000 photos (RCLIP: `--rclip ENVIRONMENT --rclip-data DIR`)
bench-cold: .venv/installed
	$(BIN)/python -m benchmarks.cold $(LARGE)/100000 $(RCLIP) --out benchmarks/results/cold.json

## bench-page: the page over 10,000 and 100,000 photos: first pictures, queries, scrolling
bench-page: .venv/installed-dev
	$(BIN)/python -m benchmarks.page $(LARGE) --out benchmarks/results/page.json

## fleet: a thousand machines that embed a billion pictures, simulated, and what goes wrong among them
fleet: .venv/installed-dev
	$(BIN)/python -m benchmarks.fleet --out benchmarks/results/fleet.json

## load: 1 to 64 visitors of the page who search and upload for ten minutes each, during builds (LARGE names a folder)
load: .venv/installed-dev
	$(BIN)/python -m benchmarks.load $(LARGE)/10000 --out benchmarks/results/load.json

## rehearse: the services of deploy/compose.yaml as processes, each in a network of its own (root; PostgreSQL, dnsmasq)
rehearse: .venv/installed-dev
	$(BIN)/python deploy/rehearse.py --photos $(PHOTOS)

## starter-head: train the heads of the starter model again, on free drawings, emoji and fonts (examples/starter_head names the packages; half an hour)
starter-head: .venv/installed-dev
	npm install --no-save --prefix .emoji @iconify-json/fxemoji @iconify-json/noto-v1 @iconify-json/twemoji \
	    @iconify-json/fluent-emoji-flat @iconify-json/emojione @lobehub/fluent-emoji-3d emojibase-data
	$(BIN)/python -m examples.starter_head $(CLIPART) .emoji/node_modules \
	    --out indexer/embedders/starter_head.safetensors $(APART)

clean:
	rm -rf .venv $(DEMO) .emoji build *.egg-info
