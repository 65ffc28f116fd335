#!/bin/sh
# Plays the demo with containers that are built: docker compose -f demo/compose.yaml --profile images build
#
#   demo/run.sh            plays it and takes everything down
#   demo/run.sh --keep     leaves it up to play with
#   demo/run.sh --latency  measures also what procgate adds to a request
exec python3 "$(dirname "$0")/story/main.py" "$@"
