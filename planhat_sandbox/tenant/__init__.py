"""What the sandbox's tenant holds, and how it lists, upserts and changes it."""
