#!/bin/sh
# Print the state of a job, running, success or failed: status.sh NUMBER. A job that was killed at a
# limit is failed; without this, Snakemake would wait for it.
if described=$(qstat -j "$1" 2>&1); then
  case $described in
    *"error reason"*) echo failed ;; # it waits in the state Eqw, and never starts
    *) echo running ;;
  esac
  exit
fi
case $described in
  *"do not exist"*) ;;
  *) # the master does not answer
    echo running
    exit
    ;;
esac
# The record of a job appears some seconds after its end.
for _ in 1 2 3 4 5 6 7 8 9 10 11 12; do
  if record=$(qacct -j "$1" 2>/dev/null); then
    if echo "$record" | grep -Eq '^exit_status +0 *$' && echo "$record" | grep -Eq '^failed +0'; then
      echo success
    else
      echo failed
    fi
    exit
  fi
  sleep 5
done
echo failed
