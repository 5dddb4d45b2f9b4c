"""Looking at what references name: files of this machine, and objects in S3. Never changes it."""
