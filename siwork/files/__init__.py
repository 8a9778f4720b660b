"""Files that others wrote, whatever they are for: lines, tables, columns; nothing is unpickled or evaluated."""
