#!/usr/bin/env bash
# Ouvre un ticket de ce titre, ou complète celui qui est ouvert : report.sh TITRE FICHIER
set -euo pipefail
title="$1" file="$2"
run="$GITHUB_SERVER_URL/$GITHUB_REPOSITORY/actions/runs/$GITHUB_RUN_ID"
{ echo "Exécution en échec : $run"; echo; echo '```'; cat "$file" || true; echo '```'; } > body.md
number=$(gh issue list --state open --search "in:title \"$title\"" --json number --jq '.[0].number // empty')
if [ -n "$number" ]; then
    gh issue comment "$number" --body-file body.md
else
    gh issue create --title "$title" --body-file body.md
fi
