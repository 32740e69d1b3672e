# saccade's commands. `make` alone lists them.

GO        ?= go
# The WebGPU binding: 17 (default) or 29 (wgpu-native 29), see docs/library.md.
export BINDING
ifneq ($(filter-out 17 29,$(BINDING)),)
$(error BINDING=$(BINDING) is unknown: 17 and 29 are known)
endif
PACKAGES  := mesa-vulkan-drivers libvulkan1
WINDOWS   := xorg-dev libgl1-mesa-dev
TESTDRIVERS := chromium-common xvfb xdotool x11-utils poppler-utils
ISAPACKAGES := mesa-vulkan-drivers libvulkan1 libvulkan-dev
BENCHMODELS := resnet18,resnet50,efficientnet_b0,vit_ti_16,vit_b_16,clip_vit_b_32,unet_ddpm_cifar10

ISACC     := cc -O1 -Wall -Wextra
# Windows programs, and wine to run them.
WINDOWSCC := x86_64-w64-mingw32-gcc
WINEPACKAGES := gcc-mingw-w64-x86-64 wine64 wine xvfb xdotool
QEMUPACKAGES := qemu-user debian-archive-keyring xvfb xdotool
# Chromium's compiler of shaders and Microsoft's.
NPMWEBGPU := webgpu@0.6.2

.PHONY: help run build dist test test-all test-windows test-arm64 soak check isa isa-accept isa-tools races portable hlsl validation proof-tools bench result leaderboard eval eval-tokenizer golden-zoo setup container-root clean

help: ## list the targets
	@grep -E '^[a-z0-9-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

run: setup build ## install what is missing, build, and say what is in a picture
	bin/run -model vit -image zoo/pictures/cat.jpg

build: ## build bin/run, bin/train, bin/serve and bin/bench; BINDING=29 takes the newer WebGPU binding
	@mkdir -p bin
	GOFLAGS="$$GOFLAGS $$(scripts/tags)" $(GO) build -o bin/ ./cmd/run ./cmd/train ./cmd/serve ./cmd/bench

container-root: build ## write the root of a container (Debian with Mesa's drivers, by debootstrap) for packaging/Containerfile
	packaging/root bin/container-root.tar

dist: ## archives of the programs for Linux and Windows, on a Mac for macOS: bin/dist (Linux takes zig: pip install ziglang)
	scripts/dist

setup: ## install the system packages that are missing (Debian, Ubuntu)
	@scripts/setup $(PACKAGES)
	@scripts/setup $(WINDOWS) || echo "setup: going on without windows: everything else is built, with -tags headless"

test: setup ## run all tests: operations and models on every driver that is there, and poisoned
	@scripts/setup $(TESTDRIVERS) || echo "test: going on without them"
	@scripts/test

test-all: setup ## the same in full, with the race detector and long fuzzing: hours
	@scripts/setup $(TESTDRIVERS) || echo "test: going on without them"
	@scripts/test all

test-windows: build ## the Windows programs under wine, which must compute what Linux's do
	@scripts/setup $(WINEPACKAGES)
	@mkdir -p bin/windows-amd64
	GOOS=windows GOARCH=amd64 CGO_ENABLED=1 CC=$(WINDOWSCC) GOFLAGS="$$GOFLAGS $$(GOOS=windows scripts/tags)" $(GO) build -trimpath -o bin/windows-amd64/ ./cmd/run ./cmd/bench
	WINDOWSCC=$(WINDOWSCC) scripts/test-windows

test-arm64: build ## the arm64 archive's programs under qemu, which must compute what this machine's do, within a bound (takes zig as dist does)
	@scripts/setup $(QEMUPACKAGES) $(WINDOWS)
	scripts/dist linux/arm64
	scripts/test-arm64

soak: setup ## ten thousand frames of the window, for what they leave behind
	@scripts/setup $(TESTDRIVERS)
	$(GO) test -count=1 -timeout 60m -v -run TestTenThousandFramesLeaveNothing ./viewer

check: ## gofmt, go vet and staticcheck
	@test -z "$$(gofmt -l .)" || { gofmt -l .; exit 1; }
	GOFLAGS="$$GOFLAGS $$(scripts/tags)" $(GO) vet ./...
	GOFLAGS="$$GOFLAGS $$(CC=false scripts/tags)" $(GO) vet ./viewer
	@# a build without windows does not use what serves them
	GOFLAGS="$$GOFLAGS $$(scripts/tags)" $(GO) run honnef.co/go/tools/cmd/staticcheck@v0.7.0 $$(scripts/tags | sed -n s/.*headless.*/-checks=inherit,-U1000/p) ./...

isa: isa-tools ## registers, spills and occupancy of every kernel on AMD's GPUs, without one; fails where they got worse
	GOFLAGS="$$GOFLAGS $$(scripts/tags)" $(GO) run ./cmd/isa

isa-accept: isa-tools ## the same, and take the table as the one to compare with
	GOFLAGS="$$GOFLAGS $$(scripts/tags)" $(GO) run ./cmd/isa -accept

isa-tools:
	@scripts/setup $(ISAPACKAGES)
	@mkdir -p bin/isa
	@$(ISACC) -o bin/isa/radv scripts/isa/radv.c -lvulkan
	@$(ISACC) -shared -fPIC -o bin/isa/liblayer.so scripts/isa/layer.c
	@cp scripts/isa/layer.json bin/isa

races: ## data races of every kernel with barriers, in Oclgrind (needs naga and oclgrind)
	$(GO) run ./cmd/proof races

portable: proof-tools ## what Tint, naga and spirv-val say of every kernel (needs naga, node and spirv-tools)
	$(GO) run ./cmd/proof portable

hlsl: proof-tools ## what DirectX 12's two compilers say of every kernel, and how long they take (needs naga, wine and mingw-w64)
	$(GO) run ./cmd/proof hlsl

validation: ## what Khronos' validation layers 1.4 say of runs on lavapipe (needs a Debian of 12 or later)
	@scripts/proof/khronos bin/proof/khronos-forky
	$(GO) run ./cmd/proof validation

proof-tools:
	@command -v npm >/dev/null || { echo 'proof: npm is missing (on Debian: apt-get install npm)' >&2; exit 1; }
	@mkdir -p bin/proof
	@npm install --silent --no-save --prefix bin/proof $(NPMWEBGPU)

bench: build ## time models, a diffusion pipeline and matmuls, verified in the same run
	bin/bench -models $(BENCHMODELS) -pipelines zoo_sd -op matmul

result: build ## time this machine's GPU and keep the figures for the leaderboard
	bin/bench -models $(BENCHMODELS) -keep cmd/bench/results

leaderboard: build ## write the figures of cmd/bench/results into docs/bench.md
	bin/bench -leaderboard docs/bench.md $(wildcard cmd/bench/results/*.json)

eval: build ## accuracy of the embedded model over a folder with one sub-folder a class: make eval DATA=folder
	@test -n "$(DATA)" || { echo 'make eval DATA=folder, one sub-folder a class (CIFAR-10 as pictures)'; exit 2; }
	bin/run -model vit -eval $(DATA)

eval-tokenizer: ## CLIP's own vocabulary against transformers' ids, and tokens a second: make eval-tokenizer CLIP=folder
	@test -n "$(CLIP)" || { echo 'make eval-tokenizer CLIP=folder, with vocab.json and merges.txt of CLIP'; exit 2; }
	CLIP_VOCABULARY="$$(cd "$(CLIP)" && pwd)" $(GO) test ./tokenizer -count=1 -v -run TestGoldenOfCLIP -bench Encode/clip

golden-zoo: ## regenerate the goldens of the embedded models (Python, golden/requirements.txt)
	python golden/generate.py zoo_vit zoo_resnet zoo_clip zoo_yolos zoo_u2net zoo_ast zoo_sam

clean: ## remove what was built
	rm -rf bin
