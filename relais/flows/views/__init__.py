"""The pages of flows: list, flow and revisions, import and export, publishing, trial, path of an execution."""
