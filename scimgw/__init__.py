"""What people run: the scimgw command. Not deployed to Azure."""
