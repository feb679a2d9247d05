"""What reelscan runs on: AWS (`infra.cdk`) or a laptop (`infra.local`), both from the facts in `infra.wiring`."""
