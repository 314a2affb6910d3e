"""A facility in containers, from the one description in compose/compose.yaml.

`docker_cli`, `image`, `doctor`: the engine, the image, and what is missing. `services`: names and ports of the compose file. `backend`:
makes the builders. `project_pool`: what all replays of a batch share. `project`: one compose project, which serves one replay after
another. `builder`: builds one facility. `runtime`: starts and ends services. `database`, `redundancy`, `balancers`, `firewall`,
`log_disks`, `probe`: its parts. `programs/`: what runs inside the containers.

Does not import `processes`.
"""
