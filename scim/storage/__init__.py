"""A tenant's directory in Azure Table Storage. Nothing outside this folder knows its keys or rows."""
