"""A vendor's dump, read as a stream before it is loaded: what it would do, and the same dump made safe."""
