"""The ports on AWS. Only here (and in `gpu_batch/aws.py`) is boto3 imported."""
