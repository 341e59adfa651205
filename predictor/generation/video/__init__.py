"""Write video files: the MP4, its sound, its pictures, its content credentials."""
