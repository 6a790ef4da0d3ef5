"""Everyday words that have nothing to do with most photos: what a model says of them is what it says of anything."""

__all__ = ["BACKGROUND_WORDS"]

_WORDS = """
person man woman child baby crowd family wedding party birthday portrait selfie hand face smile friends
meeting office concert dance sport football basketball tennis running swimming skiing surfing bicycle
motorcycle car bus train airplane boat ship truck road street city building house church castle bridge tower
skyscraper window door room kitchen bathroom bedroom garden park playground beach sea lake river waterfall
mountain hill valley forest tree flower grass field desert snow ice rain storm cloud sky sunset sunrise night
moon star fire smoke fireworks dog cat horse cow sheep pig goat bird duck chicken fish shark whale dolphin
insect butterfly bee spider snake lizard frog turtle elephant lion tiger bear monkey giraffe zebra deer fox
wolf rabbit mouse squirrel food meal breakfast dinner pizza pasta bread cake fruit vegetable meat soup salad
coffee tea wine beer bottle glass cup plate knife table chair sofa bed lamp clock book newspaper letter
document receipt sign text map painting drawing sculpture museum toy doll ball game computer phone screenshot
television camera guitar piano violin drum music instrument tool hammer machine engine robot weapon gun hat
shoe dress shirt jacket bag umbrella glasses jewelry watch money shop market restaurant hotel school hospital
airport station factory farm stadium theatre library swimming-pool tent camping hiking travel holiday
christmas halloween pumpkin balloon kite flag statue fountain bench fence wall roof stairs tunnel harbour
lighthouse windmill cave island volcano rainbow fog shadow reflection pattern texture abstract
"""

BACKGROUND_WORDS = tuple(_WORDS.split())
