#!/usr/bin/env bash
# The same as `npm start`.
cd "$(dirname "$0")"
exec npm start --silent -- "$@"
