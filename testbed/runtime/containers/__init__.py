"""A facility in containers, from compose/compose.yaml, the one description of it.

`docker_cli`, `image`, `doctor`: the engine, the image, and what is missing. `services`: names and ports of the compose file. `backend`:
makes the builders. `project_pool`: what all replays of a batch share. `run_label`: whose containers they are. `project`: one compose
project, which serves one replay after another. `builder`: builds one facility. `runtime`: starts and ends services. `env_file`: what
compose is given. `engine_client`: the one file that imports the engine's client. `deaths`: how containers ended. `database`, `cluster`,
`redundancy`, `balancers`, `firewall`, `log_disks`, `probe`: parts of the facility. `inspector`: dumps, listen queues and locks of services.
`shortages`: what the machine lacked. `parts`: what failed by itself beside the services. `programs/`: what runs inside the containers.

Does not import `processes`.
"""
