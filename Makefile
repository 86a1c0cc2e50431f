# `make help` lists the targets. Everything happens in .venv; stamps in it make a second run quick. Another Python has one of
# its own: `make test PYTHON=python3.13` makes .venv-3.13.

PYTHON ?= python3
OWN := 'import sys; print(".venv-%d.%d" % sys.version_info[:2])'
VENV := $(if $(filter command%,$(origin PYTHON)),$(shell $(PYTHON) -c $(OWN)),.venv)
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check -q
ASKS := pyproject.toml constraints.txt compiler/dlspec/__init__.py

# Test workers share the cores; each library that starts threads of its own would slow them all down.
ONE_THREAD := OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 MKL_NUM_THREADS=1
WORKERS ?= 2

PROGRAMS ?= 20000
MUTANTS ?= 200000

DRAW := $(BIN)/dlspec draw -o docs/gallery

.DEFAULT_GOAL := help
.PHONY: help demo test lint format fuzz resampling strangers bench browser gallery zoo reference clean

help: ## this list
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 16

demo: $(VENV)/.run-installed ## compile the shipped ResNet-50 to ONNX, show its table, draw it, and run it (without PyTorch)
	@mkdir -p build
	$(BIN)/dlspec check specs/resnet.dlspec
	$(BIN)/dlspec summary specs/resnet.dlspec:ResNet50
	$(BIN)/dlspec compile specs/resnet.dlspec:ResNet50 -o build/resnet50.onnx
	$(BIN)/dlspec draw specs/resnet.dlspec:ResNet50 --depth 2 -o build/resnet50.svg
	$(BIN)/dlspec run specs/resnet.dlspec:ResNet50

test: $(VENV)/.dev-installed ## run the tests
	$(ONE_THREAD) $(BIN)/python -m pytest -n $(WORKERS) --dist worksteal

lint: $(VENV)/.dev-installed ## ruff, pyright and the order of the folders
	$(BIN)/ruff check bench compiler tests
	$(BIN)/ruff format --check bench compiler tests
	$(BIN)/pyright -p pyproject.toml
	$(BIN)/lint-imports --no-cache
	$(BIN)/dlspec fmt --check specs/*.dlspec

format: $(VENV)/.dev-installed ## put code and specs into their canonical form
	$(BIN)/ruff check --fix bench compiler tests
	$(BIN)/ruff format bench compiler tests
	$(BIN)/dlspec fmt specs/*.dlspec

fuzz: $(VENV)/.dev-installed ## random programs and mutants (PROGRAMS, MUTANTS, SEED): what breaks, and a table
	$(ONE_THREAD) $(BIN)/python tests/fuzz/fuzz.py --programs $(PROGRAMS) --mutants $(MUTANTS) --seed $(or $(SEED),$(shell date +%s))

resampling: $(VENV)/.dev-installed ## compare resampling with torch over a grid of modes, factors and sizes
	$(ONE_THREAD) RESAMPLING=$(or $(COUNT),10000) RESAMPLING_SEED=$(or $(SEED),0) $(BIN)/python -m pytest -q -s tests/ops/test_resampling.py

strangers: $(VENV)/.dev-installed ## damaged files, killed writers, full disks, injections, other environments
	$(ONE_THREAD) $(BIN)/python -m bench.robustness

gallery: $(VENV)/.run-installed ## draw the pictures of docs/gallery again
	$(DRAW)/resnet50-depth1.svg specs/resnet.dlspec:ResNet50 --depth 1 --wrap 900
	$(DRAW)/resnet50-depth2.svg specs/resnet.dlspec:ResNet50 --depth 2 --wrap 900
	$(DRAW)/resnet50.svg specs/resnet.dlspec:ResNet50
	$(DRAW)/resnet50-column.svg specs/resnet.dlspec:ResNet50 --width 3.3in --show legend
	$(DRAW)/resnet50-poster.svg specs/resnet.dlspec:ResNet50 --poster
	$(DRAW)/googlenet.svg specs/googlenet.dlspec:GoogLeNet --depth 1 --wrap 1000
	$(DRAW)/googlenet-inception.svg specs/inception_module.dlspec:InceptionModule
	$(DRAW)/densenet121.svg specs/densenet.dlspec:DenseNet121 --depth 2 --wrap 1000
	$(DRAW)/densenet121-poster.svg specs/densenet.dlspec:DenseNet121 --poster
	$(DRAW)/unet.svg specs/unet.dlspec:UNet --depth 1
	$(DRAW)/unet-recursive.svg specs/unet.dlspec:UNetRecursive --depth 1 --expand 0.3.3
	$(DRAW)/unet3d.svg specs/unet3d.dlspec:UNet3D --depth 2
	$(DRAW)/unetpp.svg specs/unetpp.dlspec:UNetPlusPlus --depth 1
	$(DRAW)/nnunet3d.svg specs/nnunet.dlspec:NNUNet3D --depth 1
	$(DRAW)/feature_pyramid.svg specs/feature_pyramid.dlspec:FPN --depth 2
	$(DRAW)/dcgan-generator.svg specs/dcgan.dlspec:Generator --layout levels
	$(DRAW)/vae.svg specs/vae.dlspec:VAE
	$(DRAW)/vae_train.svg specs/vae.dlspec:TrainVAE --depth 1
	$(DRAW)/gan_train.svg specs/gan.dlspec:TrainGAN --depth 1
	$(DRAW)/se_resnet50.svg specs/se_resnet.dlspec:SEResNet50 --depth 1 --expand layer1.0.se
	$(DRAW)/lenet-volumes.svg specs/lenet.dlspec:LeNet5 --style volumes
	$(DRAW)/alexnet-volumes.svg specs/alexnet.dlspec:AlexNet --style volumes
	$(DRAW)/vgg16-volumes.svg specs/vgg.dlspec:VGG16 --style volumes
	$(DRAW)/unet-volumes.svg specs/unet.dlspec:UNet --depth 1 --style volumes
	$(DRAW)/resnet18-volumes.svg specs/resnet.dlspec:ResNet18 --style volumes --wrap 900
	$(DRAW)/mobilenet_v2-poster.svg specs/mobilenet_v2.dlspec:MobileNetV2 --poster
	$(DRAW)/hdenseunet.svg specs/hdenseunet.dlspec:HDenseUNet --depth 1 --wrap 1800 --hide counts,arguments,shapes
	$(DRAW)/hrnet-exchange.svg specs/hrnet.dlspec:HRNetExchange --depth 2
	$(DRAW)/stylegan.svg specs/stylegan.dlspec:Generator --depth 1 --expand generator.progression.4
	$(DRAW)/nvae.svg specs/nvae.dlspec:NVAE --depth 1
	$(DRAW)/vit.svg specs/vit.dlspec:ViT_B_16 --depth 4
	$(DRAW)/llama-step.svg specs/llama.dlspec:Llama3_8BStep --depth 3

zoo: $(VENV)/.dev-installed ## write docs/zoo.md and its pictures: every shipped network, with its figures
	$(ONE_THREAD) PYTHONPATH=. $(BIN)/python tests/specs/zoo.py

reference: $(VENV)/.run-installed ## write grammar/operators.md from the classes of the operators
	@mkdir -p build
	$(BIN)/dlspec ops --format markdown > build/operators.md
	mv build/operators.md grammar/operators.md

bench: $(VENV)/.dev-installed ## measure compiling and counting beside their floors and peers
	$(BIN)/python -m bench

browser: ## install the Chromium that drives the tests of the HTML page (Debian, as root)
	apt-get update -q
	DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends chromium chromium-driver

clean: ## remove what was built, the environment included
	rm -rf build dist $(VENV) .hypothesis .import_linter_cache .pytest_cache .ruff_cache
	find bench compiler tests -name __pycache__ -type d -prune -exec rm -rf {} +

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.run-installed: $(ASKS) | $(BIN)/python
	$(PIP) install -c constraints.txt -e '.[run,draw]'
	@$(BIN)/python -m compileall -q compiler
	@touch $@

# pip compiles what it installs but not a checkout, and where Python is told to write no bytecode every start would.

# torchvision asks for one version of torch exactly, timm for what fetches weights; the tests use their models only.
$(VENV)/.dev-installed: $(ASKS) | $(BIN)/python
	$(PIP) install -c constraints.txt -e '.[dev]'
	$(PIP) install --no-deps torchvision timm
	@$(BIN)/python -m compileall -q compiler
	@touch $@ $(VENV)/.run-installed
