"""Production: images, template, launch, costs, and the first hour's checks."""
