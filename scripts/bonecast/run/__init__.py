"""How a run of the workflow goes: what runs, what is done, what failed, and when it may end."""
