"""siwork"""
