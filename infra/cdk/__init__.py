"""The system on AWS: one CloudFormation stack for each stage. `app.py` is the index, `stages.py` the data."""
